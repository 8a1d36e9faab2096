import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '@app/ops';
import { ClientRegistry, scopesOf, type Client } from '../core/client.js';
import { asClient, ClientDocument, readClientFile } from './client-document.js';

/** A change is in force at the latest after this time plus the settle time. */
const READ_EVERY_MS = 500;
const SETTLE_MS = 50;
const SILENT_AFTER_MS = 5_000;

interface InForce {
  readonly source: string;
  readonly revision: string;
  readonly readAt: string;
  readonly clients: ReadonlyMap<string, Client>;
}

/** Clients of a YAML file, which is read again periodically. An unusable file changes nothing. */
export class FileClientRegistry extends ClientRegistry {
  /** Read, not watched: a watcher misses a replaced file, and a file that is no longer readable. */
  private readonly timer = setInterval(() => void this.readAgain(), READ_EVERY_MS).unref();
  /** Start of the current read (performance.now()). */
  private readingSinceMs: number | undefined;
  override trouble: string | undefined;
  private closed = false;

  private constructor(
    private readonly path: string,
    private current: InForce,
    private readonly log: Logger,
  ) {
    super();
  }

  /** @throws {StartError} when the file cannot be read or is not valid */
  static async open(path: string, log: Logger): Promise<FileClientRegistry> {
    return new FileClientRegistry(path, parsed(path, await readClientFile(path)), log);
  }

  override async find(clientId: string): Promise<Client | undefined> {
    return this.current.clients.get(clientId);
  }

  override async scopes(): Promise<readonly string[]> {
    return scopesOf([...this.current.clients.values()]);
  }

  override inForce(): string {
    const { revision } = this.current;
    return `revision ${revision}${this.trouble === undefined ? '' : ', for the file cannot be used: see the log'}`;
  }

  override async close(): Promise<void> {
    this.closed = true;
    clearInterval(this.timer);
  }

  private async readAgain(): Promise<void> {
    if (this.readingSinceMs !== undefined) {
      const silent = performance.now() - this.readingSinceMs > SILENT_AFTER_MS;
      return silent ? this.tell('Reading the file does not come to an end.') : undefined;
    }
    this.readingSinceMs = performance.now();
    try {
      await this.useWhatIsThere();
    } catch (error) {
      this.tell((error as Error).message);
    } finally {
      this.readingSinceMs = undefined;
    }
  }

  private async useWhatIsThere(): Promise<void> {
    const source = await readClientFile(this.path);
    const { path } = this;
    if (source === this.current.source) {
      if (this.trouble !== undefined) this.log.info({ path }, 'the file of clients is again as it was');
    } else {
      // A half-written file can be a valid file with fewer clients.
      await delay(SETTLE_MS);
      if (this.closed || (await readClientFile(path)) !== source) return;
      this.current = parsed(path, source);
      const { clients, revision } = this.current;
      this.log.info({ path, clients: clients.size, revision }, 'the clients have been read again');
    }
    this.trouble = undefined;
  }

  private tell(trouble: string): void {
    if (this.closed || trouble === this.trouble) return;
    this.trouble = trouble;
    const { revision, readAt, clients } = this.current;
    const enabled = [...clients.values()].filter((client) => client.enabled).map(({ clientId }) => clientId);
    this.log.error(
      { path: this.path, reason: trouble, inForce: { revision, readAt, enabled } },
      'the file of clients cannot be used; the clients read before are kept',
    );
  }
}

function parsed(path: string, source: string): InForce {
  const { clients, revision } = ClientDocument.parse(path, source);
  const byId = new Map(clients.map((record) => [record.client_id, asClient(record)]));
  return { source, revision, readAt: new Date().toISOString(), clients: byId };
}
