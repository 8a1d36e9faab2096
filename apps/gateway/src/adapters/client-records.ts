import type { ClientRecord } from './client-document.js';

/** Where clients are kept, as `npm run client` needs it. */
export interface ClientRecords {
  /** When a change is in force, in a sentence. */
  readonly inForceWhen: string;
  list(): Promise<readonly ClientRecord[]>;
  /**
   * Puts what `change` makes of a client in its place; of changes at the same time none is lost, so that `change` may be asked
   * more than once. Nothing has changed when it throws.
   *
   * @param change is given undefined for a client that does not exist
   */
  change(clientId: string, change: (found: ClientRecord | undefined) => ClientRecord): Promise<void>;
  /** What gateways tell once what stands here now is in force ({@link ClientRegistry.inForce}). */
  inForceAs(): Promise<string>;
  close(): Promise<void>;
}
