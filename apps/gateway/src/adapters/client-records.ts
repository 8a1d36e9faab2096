import type { ClientRecord } from './client-document.js';

/** The storage of clients, for `npm run client`. */
export interface ClientRecords {
  /** A sentence that says when a change is in force. */
  readonly inForceWhen: string;
  list(): Promise<readonly ClientRecord[]>;
  /**
   * Replaces a client by the result of `change`. Simultaneous changes are not lost, so `change` may be called more than once.
   * Nothing has changed if it throws.
   *
   * @param change gets undefined for a client that does not exist
   */
  change(clientId: string, change: (found: ClientRecord | undefined) => ClientRecord): Promise<void>;
  /** The report of gateways once the current records are in force ({@link ClientRegistry.inForce}). */
  inForceAs(): Promise<string>;
  close(): Promise<void>;
}
