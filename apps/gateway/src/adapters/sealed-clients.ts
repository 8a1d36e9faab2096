import { createHmac, hash, timingSafeEqual } from 'node:crypto';
import type { SharedStore } from '@app/redis';
import { z } from 'zod';
import { clientSchema, type ClientRecord } from './client-document.js';

/** All clients in one value: one read finds any of them, and who can write to Redis cannot mix old ones with new ones. */
export const CLIENTS_KEY = 'clients:v2';

/** A client with a number that goes up with each change of it. */
const versionedSchema = clientSchema.extend({ version: z.int().nonnegative() });
export type VersionedRecord = z.infer<typeof versionedSchema>;

const contentSchema = z.strictObject({ clients: z.array(versionedSchema) });

const MAC_LENGTH = 43;

/** Seals clients with an HMAC: who may write to Redis must not be able to make himself a client. */
export class ClientSeal {
  constructor(private readonly secret: string) {}

  seal(clients: readonly VersionedRecord[]): string {
    const content = JSON.stringify({ clients });
    return this.mac(CLIENTS_KEY, content) + content;
  }

  /** @returns undefined for what was not sealed with this secret, or is of a later version of the suite */
  open(sealed: string): readonly VersionedRecord[] | undefined {
    const content = this.contentOf(CLIENTS_KEY, sealed);
    return content === undefined ? undefined : contentSchema.safeParse(JSON.parse(content)).data?.clients;
  }

  /** The clients that earlier versions of the suite kept, each under a key of its own. Reads through all of the store. */
  async formerClients(store: SharedStore): Promise<readonly VersionedRecord[]> {
    const found: VersionedRecord[] = [];
    for await (const { key, value } of store.scan(FORMER_PREFIX)) {
      const content = this.contentOf(key, value);
      const record = content === undefined ? undefined : clientSchema.safeParse(JSON.parse(content)).data;
      if (record) found.push({ ...record, version: 0 });
    }
    return found;
  }

  private contentOf(key: string, sealed: string): string | undefined {
    const mac = Buffer.from(sealed.slice(0, MAC_LENGTH));
    const content = sealed.slice(MAC_LENGTH);
    const expected = Buffer.from(this.mac(key, content));
    return mac.length === expected.length && timingSafeEqual(mac, expected) ? content : undefined;
  }

  private mac(key: string, content: string): string {
    return createHmac('sha256', this.secret).update(key).update('\0').update(content).digest('base64url');
  }
}

const FORMER_PREFIX = 'client:v1:';

export function formerKeyOf({ client_id: clientId }: ClientRecord): string {
  return `${FORMER_PREFIX}${hash('sha256', clientId, 'base64url')}`;
}
