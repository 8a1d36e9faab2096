import { hash } from 'node:crypto';
import { bareName, formerName, HmacSeal, type Scan } from '@app/store';
import { CLIENTS_KEY, former } from '@app/contract';
import { z } from 'zod';
import { clientSchema, type ClientRecord } from './client-document.js';

/** A client with a number that increases with each of its changes. */
const versionedSchema = clientSchema.extend({ version: z.int().nonnegative() });
export type VersionedRecord = z.infer<typeof versionedSchema>;

const contentSchema = z.strictObject({ clients: z.array(versionedSchema) });

/** One value for all clients: one read finds any of them, and write access to Redis is not enough to mix old ones with new ones. */
export const CLIENT_KEYS = [CLIENTS_KEY, formerName(former.CLIENTS_KEY)] as const;
export const CLIENTS_TTL_MS = 10 * 365 * 24 * 3600 * 1000;

/**
 * Seals clients with an HMAC: write access to Redis must not be enough to create a client.
 *
 * @param secrets the first seals, all open, so that a secret can be replaced
 */
export class ClientSeal {
  private readonly mac: HmacSeal;

  constructor(secrets: readonly string[]) {
    this.mac = new HmacSeal(secrets);
  }

  seal(clients: readonly VersionedRecord[]): string {
    return this.mac.seal(CLIENTS_KEY, JSON.stringify({ clients }));
  }

  /** @returns undefined for a value not sealed with one of the secrets, or from a later version of the suite */
  open(sealed: string): readonly VersionedRecord[] | undefined {
    const content = this.mac.open(CLIENTS_KEY, sealed);
    return content === undefined ? undefined : contentSchema.safeParse(JSON.parse(content)).data?.clients;
  }

  /**
   * The clients of the earliest versions, each under its own key; undefined for one that does not open. Scans the whole
   * store.
   */
  async formerClients(store: Scan): Promise<readonly (VersionedRecord | undefined)[]> {
    const found: (VersionedRecord | undefined)[] = [];
    for await (const { key, value } of store.scan(FORMER_PREFIX)) {
      const content = this.mac.open(bareName(key), value);
      const record = content === undefined ? undefined : clientSchema.safeParse(JSON.parse(content)).data;
      found.push(record && { ...record, version: 0 });
    }
    return found;
  }
}

const FORMER_PREFIX = formerName(former.CLIENT_PREFIX);

export function formerKeyOf({ client_id: clientId }: ClientRecord): string {
  return `${FORMER_PREFIX}${hash('sha256', clientId, 'base64url')}`;
}
