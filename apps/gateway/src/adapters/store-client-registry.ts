import { isDeepStrictEqual } from 'node:util';
import { LineLimit, type Logger } from '@app/ops';
import { patient, StoreUnavailable, type KeyValues } from '@app/store';
import { CLIENTS_KEY } from '@app/contract';
import { ClientRegistry, scopesOf, type Client } from '../core/client.js';
import { asClient, revisionOf } from './client-document.js';
import { CLIENT_KEYS, CLIENTS_TTL_MS, ClientSeal, type VersionedRecord } from './sealed-clients.js';

/** A change is in force after this time at the latest. */
const FRESH_MS = 1_000;
const TOLD_AGAIN_MS = 600_000;

interface InForce {
  /** The value in the store. */
  readonly sealed: string | null;
  /** Undefined if they cannot be opened. */
  readonly clients: ReadonlyMap<string, Client> | undefined;
  readonly scopes: readonly string[];
  readonly revision: string;
  /** performance.now() */
  readonly askedAtMs: number;
}

/**
 * Clients in the shared store of many gateways; read at most once a second, for any number of requests, and never used for longer.
 * A client older than an earlier reading of it, put back by a writer to Redis, is not used.
 */
export class StoreClientRegistry extends ClientRegistry {
  private readonly seal: ClientSeal;
  private last: InForce | undefined;
  private reading: Promise<InForce> | undefined;
  /** The newest form ever seen of each client. */
  private readonly newest = new Map<string, VersionedRecord>();
  override trouble: string | undefined;
  private readonly notTakenOver = new LineLimit({ lines: 1, perMs: TOLD_AGAIN_MS });

  constructor(
    private readonly store: KeyValues,
    secrets: readonly string[],
    private readonly log: Logger,
  ) {
    super();
    this.seal = new ClientSeal(secrets);
  }

  override async find(clientId: string): Promise<Client | undefined> {
    return opened(await this.current()).get(clientId);
  }

  override async scopes(): Promise<readonly string[]> {
    const current = await this.current();
    opened(current);
    return current.scopes;
  }

  /** From the last read, because a probe must not wait for Redis. Starts a new read for the next probe. */
  override inForce(): string {
    void this.current().catch(() => undefined);
    if (!this.last) return 'nothing read yet';
    return `revision ${this.last.revision}${this.trouble === undefined ? '' : `, but ${this.trouble}`}`;
  }

  override async close(): Promise<void> {
    this.last = undefined;
  }

  private async current(): Promise<InForce> {
    if (this.last && performance.now() - this.last.askedAtMs < FRESH_MS) return this.last;
    this.reading ??= this.read().finally(() => (this.reading = undefined));
    return this.reading;
  }

  private async read(): Promise<InForce> {
    const askedAtMs = performance.now();
    const [own = null, formerly = null] = await this.store.getMany(CLIENT_KEYS, patient(FRESH_MS));
    const sealed = own ?? formerly;
    this.last = { ...(this.last?.sealed === sealed ? this.last : this.accept(sealed)), askedAtMs };
    if (own === null && formerly !== null && this.last.clients) this.takeOver(formerly);
    return this.last;
  }

  /** Moves clients away from the former name, which will be unreadable one day. A failure is tried again with the next read. */
  private takeOver(value: string): void {
    this.store
      .writeAllIfEqual(CLIENTS_KEY, null, [{ op: 'set', key: CLIENTS_KEY, value, ttlMs: CLIENTS_TTL_MS }])
      .then(
        (written) => {
          if (written) this.log.info('the clients of earlier versions have been taken over');
        },
        (error: unknown) => {
          const more = this.notTakenOver.admit('');
          if (more)
            this.log.error(
              { err: error, ...more },
              'the clients of earlier versions could not be taken over; they are used, and the next read tries again',
            );
        },
      );
  }

  private accept(sealed: string | null): Omit<InForce, 'askedAtMs'> {
    const revision = revisionOf(sealed ?? '');
    const records = sealed === null ? [] : this.seal.open(sealed);
    if (!records) {
      this.tell(
        'the clients in Redis were sealed with a secret that is not in CLIENT_SECRETS (unset: TOKEN_CACHE_SECRET): no client can be told',
      );
      return { sealed, clients: undefined, scopes: [], revision };
    }
    const older = records.filter((record) => !this.isNewest(record)).map(({ client_id: id }) => id);
    if (older.length > 0) {
      this.tell(
        'older clients were put back into Redis: the newer ones are kept; `npm run client -- disable` or `enable` writes them anew',
        older,
      );
    } else if (sealed === null) {
      this.tell(
        'there are no clients in Redis: `npm run client -- list` takes over those of earlier versions',
      );
    } else {
      if (this.trouble !== undefined) this.log.info({ revision }, 'the clients in Redis are well again');
      this.trouble = undefined;
    }
    const clients = new Map(records.map(({ client_id: id }) => [id, asClient(this.newest.get(id)!)]));
    return { sealed, clients, scopes: scopesOf([...clients.values()]), revision };
  }

  private isNewest(record: VersionedRecord): boolean {
    const known = this.newest.get(record.client_id);
    if (known && known.version >= record.version) return isDeepStrictEqual(known, record);
    this.newest.set(record.client_id, record);
    return true;
  }

  private tell(trouble: string, clients: readonly string[] = []): void {
    const told = [trouble, ...clients].join(' ');
    if (told !== this.trouble) this.log.error({ clients }, trouble);
    this.trouble = told;
  }
}

/** @throws {StoreUnavailable} if they could not be opened */
function opened({ clients }: InForce): ReadonlyMap<string, Client> {
  if (clients) return clients;
  throw new StoreUnavailable('the clients in Redis cannot be opened');
}
