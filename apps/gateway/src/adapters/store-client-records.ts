import { setTimeout as delay } from 'node:timers/promises';
import { StartError } from '@app/ops';
import {
  openStore,
  patient,
  StoreUnavailable,
  type OpenStoreOptions,
  type SharedStore,
  type Write,
} from '@app/store';
import { CLIENTS_KEY } from '@app/contract';
import { revisionOf, type ClientRecord } from './client-document.js';
import type { ClientRecords } from './client-records.js';
import {
  CLIENT_KEYS,
  CLIENTS_TTL_MS,
  ClientSeal,
  formerKeyOf,
  type VersionedRecord,
} from './sealed-clients.js';

/** Patience of a person, who prefers a wait to another try. */
const PATIENCE_MS = 10_000;
const TRY_FOR_MS = 20_000;
const TRY_AGAIN_MS = 20;

interface Stored {
  /** The values under the present name and under the former one. */
  readonly sealed: string | null;
  readonly formerly: string | null;
  readonly clients: readonly VersionedRecord[];
}

/** Clients in the shared store of many gateways, for `npm run client`. */
export class StoreClientRecords implements ClientRecords {
  readonly inForceWhen = 'Every gateway on this Redis uses it within a second.';
  private readonly seal: ClientSeal;

  constructor(
    private readonly store: SharedStore,
    secrets: readonly string[],
  ) {
    this.seal = new ClientSeal(secrets);
  }

  /** @throws {StartError} if `url` names no shared Redis */
  static async open(
    url: string,
    secrets: readonly string[],
    options: OpenStoreOptions = {},
  ): Promise<StoreClientRecords> {
    const store = openStore(url, { ...options, writeTimeoutMs: PATIENCE_MS });
    if (!store.shared) throw new StartError('GATEWAY_CLIENTS is redis:, so REDIS_URL must name a Redis.');
    await new Promise<void>((resolve) => {
      const forget = store.onAvailable(() => (forget(), resolve()));
      setTimeout(resolve, PATIENCE_MS).unref();
    });
    return new StoreClientRecords(store, secrets);
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
      // Higher than all: a client that is lost and added again is also newer.
      const version = stored.clients.reduce(
        (highest, { version: other }) => Math.max(highest, other + 1),
        Date.now(),
      );
      const others = stored.clients.filter(({ client_id: id }) => id !== clientId);
      if (await this.write(stored, [...others, { ...record, version }], [record])) return;
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

  /** Takes over the clients of earlier versions if there are no others. */
  private async read(): Promise<Stored> {
    const [sealed = null, formerly = null] = await this.store.getMany(CLIENT_KEYS, patient(PATIENCE_MS));
    const found = sealed ?? formerly;
    if (found === null) {
      const former = await this.seal.formerClients(this.store);
      if (!former.every((record) => record !== undefined)) throw notOpened();
      if (former.length === 0) return { sealed, formerly, clients: [] };
      await this.write({ sealed, formerly }, former, []);
      return this.read();
    }
    const clients = this.seal.open(found);
    if (clients) return { sealed, formerly, clients };
    throw notOpened();
  }

  /** @returns whether the clients were unchanged since the read, and are now replaced */
  private async write(
    { sealed: before, formerly }: Pick<Stored, 'sealed' | 'formerly'>,
    clients: readonly VersionedRecord[],
    changed: readonly ClientRecord[],
  ): Promise<boolean> {
    const sorted = clients.toSorted((a, b) => (a.client_id < b.client_id ? -1 : 1));
    const value = this.seal.seal(sorted);
    // Gateways of earlier versions read them there.
    const keys = formerly === null ? [CLIENTS_KEY] : CLIENT_KEYS;
    const writes: Write[] = [
      ...keys.map((key) => ({ op: 'set' as const, key, value, ttlMs: CLIENTS_TTL_MS })),
      // Gateways of the earliest versions continue with unchanged clients, and refuse the others.
      ...changed.map((record) => ({ op: 'delete' as const, key: formerKeyOf(record) })),
    ];
    return this.store.writeAllIfEqual(CLIENTS_KEY, before, writes).catch((error: unknown) => {
      if (!(error instanceof StoreUnavailable)) throw error;
      throw new StartError('Redis did not confirm the change: see with `list` whether it was made.');
    });
  }
}

function notOpened(): StartError {
  return new StartError(
    'The clients in Redis were sealed with a secret that is not in CLIENT_SECRETS (unset: TOKEN_CACHE_SECRET), and nothing was changed: list the one that sealed them as well, after the new one.',
  );
}

function unversioned({ version: _version, ...record }: VersionedRecord): ClientRecord {
  return record;
}
