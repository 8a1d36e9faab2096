import { setTimeout as delay } from 'node:timers/promises';
import { StartError } from '@app/ops';
import { openStore, StoreUnavailable, type SharedStore, type Write } from '@app/redis';
import { revisionOf, type ClientRecord } from './client-document.js';
import type { ClientRecords } from './client-records.js';
import { CLIENTS_KEY, ClientSeal, formerKeyOf, type VersionedRecord } from './sealed-clients.js';

const TEN_YEARS_MS = 10 * 365 * 24 * 3600 * 1000;
/** Of a person, who had rather wait than try again. */
const PATIENCE_MS = 10_000;
const TRY_FOR_MS = 20_000;
const TRY_AGAIN_MS = 20;

interface Stored {
  readonly sealed: string | null;
  readonly clients: readonly VersionedRecord[];
}

/** Clients in the store that many gateways share, for `npm run client`. */
export class StoreClientRecords implements ClientRecords {
  readonly inForceWhen = 'Every gateway on this Redis uses it within a second.';
  private readonly seal: ClientSeal;

  constructor(
    private readonly store: SharedStore,
    secret: string,
  ) {
    this.seal = new ClientSeal(secret);
  }

  /** @throws {StartError} when `url` names no Redis that others share */
  static async open(url: string, secret: string): Promise<StoreClientRecords> {
    const store = openStore(url, { writeTimeoutMs: PATIENCE_MS });
    if (!store.shared) throw new StartError('GATEWAY_CLIENTS is redis:, so REDIS_URL must name a Redis.');
    await new Promise<void>((resolve) => {
      const forget = store.onAvailable(() => (forget(), resolve()));
      setTimeout(resolve, PATIENCE_MS).unref();
    });
    return new StoreClientRecords(store, secret);
  }

  async list(): Promise<readonly ClientRecord[]> {
    return (await this.read()).clients.map(unversioned);
  }

  async change(clientId: string, change: (found: ClientRecord | undefined) => ClientRecord): Promise<void> {
    const deadlineMs = performance.now() + TRY_FOR_MS;
    while (performance.now() < deadlineMs) {
      const stored = await this.read();
      const found = stored.clients.find(({ client_id: id }) => id === clientId);
      const record = change(found && unversioned(found));
      // Higher than all: a client that is lost and comes again is newer as well.
      const version = stored.clients.reduce(
        (highest, { version: other }) => Math.max(highest, other + 1),
        Date.now(),
      );
      const others = stored.clients.filter(({ client_id: id }) => id !== clientId);
      if (await this.write(stored.sealed, [...others, { ...record, version }], [record])) return;
      await delay(TRY_AGAIN_MS * Math.random());
    }
    throw new StartError('Other commands change the clients all the time, and nothing was changed here.');
  }

  async inForceAs(): Promise<string> {
    const { sealed } = await this.read();
    return `revision ${revisionOf(sealed ?? '')}`;
  }

  close(): Promise<void> {
    return this.store.close();
  }

  /** Takes over the clients of earlier versions when it finds no others. */
  private async read(): Promise<Stored> {
    const [sealed = null] = await this.store.getMany([CLIENTS_KEY], { timeoutMs: PATIENCE_MS });
    if (sealed === null) {
      const former = await this.seal.formerClients(this.store);
      if (former.length === 0) return { sealed, clients: [] };
      await this.write(null, former, []);
      return this.read();
    }
    const clients = this.seal.open(sealed);
    if (clients) return { sealed, clients };
    throw new StartError(
      `The clients in Redis were not sealed with this TOKEN_CACHE_SECRET: set the one that the gateways have, or delete ${CLIENTS_KEY} to start anew.`,
    );
  }

  /** @returns whether the clients were still those that were read, and these are in their place now */
  private async write(
    before: string | null,
    clients: readonly VersionedRecord[],
    changed: readonly ClientRecord[],
  ): Promise<boolean> {
    const sorted = clients.toSorted((a, b) => (a.client_id < b.client_id ? -1 : 1));
    const writes: Write[] = [
      { op: 'set', key: CLIENTS_KEY, value: this.seal.seal(sorted), ttlMs: TEN_YEARS_MS },
      // Gateways of earlier versions go on with those that have not changed, and refuse the others.
      ...changed.map((record) => ({ op: 'delete' as const, key: formerKeyOf(record) })),
    ];
    return this.store.writeAllIfEqual(CLIENTS_KEY, before, writes).catch((error: unknown) => {
      if (!(error instanceof StoreUnavailable)) throw error;
      throw new StartError('Redis did not confirm the change: see with `list` whether it was made.');
    });
  }
}

function unversioned({ version: _version, ...record }: VersionedRecord): ClientRecord {
  return record;
}
