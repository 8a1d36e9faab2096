import { createHmac, hash, timingSafeEqual } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { SharedStore } from '@app/redis';
import { ClientRegistry, type Client } from '../core/client.js';
import { asClient, clientSchema, type ClientRecord } from './client-document.js';
import { scopesOf } from './file-client-registry.js';

const PREFIX = 'client:v1:';
const TEN_YEARS_MS = 10 * 365 * 24 * 3600 * 1000;
/** A client that was disabled is refused after this time at the latest. */
const FRESH_MS = 1_000;
const MAX_KEPT = 1_000;
const MAC_LENGTH = 43;

/**
 * Clients in the store that many gateways share. Each is sealed with an HMAC over its own key: who may write to Redis must not be
 * able to make himself a client.
 */
export class StoreClientRegistry extends ClientRegistry {
  private readonly kept = new LRUCache<string, { readonly client: Client | undefined }>({
    max: MAX_KEPT,
    ttl: FRESH_MS,
  });

  constructor(
    private readonly store: SharedStore,
    private readonly secret: string,
  ) {
    super();
  }

  override async find(clientId: string): Promise<Client | undefined> {
    const kept = this.kept.get(clientId);
    if (kept) return kept.client;
    const key = keyOf(clientId);
    const [sealed] = await this.store.getMany([key], { timeoutMs: FRESH_MS });
    const record = sealed ? this.open(key, sealed) : undefined;
    const client = record && asClient(record);
    this.kept.set(clientId, { client });
    return client;
  }

  override async scopes(): Promise<readonly string[]> {
    return scopesOf((await this.list()).map(asClient));
  }

  async list(): Promise<readonly ClientRecord[]> {
    const records: ClientRecord[] = [];
    for await (const { key, value } of this.store.scan(PREFIX)) {
      const record = this.open(key, value);
      if (record) records.push(record);
    }
    return records.sort((a, b) => a.client_id.localeCompare(b.client_id));
  }

  /** @throws {StoreUnavailable} and then nothing has changed */
  async put(record: ClientRecord): Promise<void> {
    const key = keyOf(record.client_id);
    const content = JSON.stringify(record);
    await this.store.set(key, this.mac(key, content) + content, { ttlMs: TEN_YEARS_MS });
  }

  override async close(): Promise<void> {
    this.kept.clear();
  }

  private open(key: string, sealed: string): ClientRecord | undefined {
    const mac = Buffer.from(sealed.slice(0, MAC_LENGTH));
    const content = sealed.slice(MAC_LENGTH);
    const expected = Buffer.from(this.mac(key, content));
    if (mac.length !== expected.length || !timingSafeEqual(mac, expected)) return undefined;
    return clientSchema.safeParse(JSON.parse(content)).data;
  }

  private mac(key: string, content: string): string {
    return createHmac('sha256', this.secret).update(key).update('\0').update(content).digest('base64url');
  }
}

function keyOf(clientId: string): string {
  return `${PREFIX}${hash('sha256', clientId, 'base64url')}`;
}
