import { unwatchFile, watchFile } from 'node:fs';
import type { Logger } from '@app/ops';
import { ClientRegistry, type Client } from '../core/client.js';
import { asClient, ClientDocument } from './client-document.js';

const POLL_MS = 500;

/** Clients of a YAML file, which is read again when it changes. A file that became invalid changes nothing. */
export class FileClientRegistry extends ClientRegistry {
  private readonly onChange = () => void this.reload();

  private constructor(
    private readonly path: string,
    private clients: ReadonlyMap<string, Client>,
    private readonly log: Logger,
  ) {
    super();
    // Polled: a file that is replaced, as editors and Kubernetes do it, is not seen otherwise.
    watchFile(path, { interval: POLL_MS, persistent: false }, this.onChange);
  }

  /** @throws {StartError} when the file cannot be read or is not valid */
  static async open(path: string, log: Logger): Promise<FileClientRegistry> {
    return new FileClientRegistry(path, await readClients(path), log);
  }

  override async find(clientId: string): Promise<Client | undefined> {
    return this.clients.get(clientId);
  }

  override async scopes(): Promise<readonly string[]> {
    return scopesOf([...this.clients.values()]);
  }

  override async close(): Promise<void> {
    unwatchFile(this.path, this.onChange);
  }

  private async reload(): Promise<void> {
    try {
      this.clients = await readClients(this.path);
      this.log.info({ path: this.path, clients: this.clients.size }, 'the clients have been read again');
    } catch (error) {
      this.log.error({ err: error }, 'the changed clients are not used; those read before are kept');
    }
  }
}

/** Every scope that some enabled client may have, each once. */
export function scopesOf(clients: readonly Client[]): readonly string[] {
  return [...new Set(clients.filter(({ enabled }) => enabled).flatMap(({ scopes }) => scopes))].sort();
}

async function readClients(path: string): Promise<ReadonlyMap<string, Client>> {
  const { clients } = await ClientDocument.read(path);
  return new Map(clients.map((record) => [record.client_id, asClient(record)]));
}
