import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Cache } from '@nestjs/cache-manager';
import type { SharedStore } from '@app/redis';
import { epochKey, type Principal } from '@app/user-token-client';
import { claimedEpochKey } from './bearer-credentials.js';

export interface CachedPrincipal {
  readonly principal: Principal;
  readonly epoch: string;
}

/** Characters of a base64url SHA-256. */
const MAC_LENGTH = 43;

/**
 * Second tier: principals in Redis, for all processes of all services.
 *
 * An entry is sealed with an HMAC over its own key: a value that was moved, forged or garbled is a miss. It counts only
 * under the epoch that is current, which is read in the same round trip. Entries are written through Nest's cache
 * (cache-manager-redis-yet) and read from the store below it, since cache-manager can neither read the epoch along nor
 * tell an outage from a miss.
 */
export class SharedTokenCache {
  constructor(
    private readonly store: SharedStore,
    private readonly cache: Cache,
    private readonly secret: string,
    private readonly ttlSeconds: number,
  ) {}

  /** @throws {StoreUnavailable} when Redis gave no answer in time */
  async read(key: string, token: string): Promise<CachedPrincipal | undefined> {
    const claimed = claimedEpochKey(token);
    const [stored, epoch] = await this.store.getMany(claimed === undefined ? [key] : [key, claimed]);
    const entry = stored ? this.open(key, stored) : undefined;
    if (!entry) return undefined;
    const own = epochKey(entry.principal.subject);
    const current = claimed === own ? epoch : (await this.store.getMany([own]))[0];
    return (current ?? '') === entry.epoch ? entry : undefined;
  }

  /** @throws when Redis did not take it */
  async write(key: string, { principal, epoch }: CachedPrincipal, nowSeconds: number): Promise<void> {
    const ttlMs = 1000 * Math.min(this.ttlSeconds, principal.expiresAtSeconds - nowSeconds);
    if (ttlMs < 1) return;
    await this.cache.set(key, this.seal(key, JSON.stringify([epoch, principal])), Math.floor(ttlMs));
  }

  private seal(key: string, content: string): string {
    return this.mac(key, content) + content;
  }

  private open(key: string, stored: string): CachedPrincipal | undefined {
    try {
      const { value } = JSON.parse(stored) as { value: string };
      const mac = value.slice(0, MAC_LENGTH);
      const content = value.slice(MAC_LENGTH);
      if (!timingSafeEqual(Buffer.from(mac), Buffer.from(this.mac(key, content)))) return undefined;
      const [epoch, principal] = JSON.parse(content) as [string, Principal];
      return { epoch, principal };
    } catch {
      return undefined;
    }
  }

  private mac(key: string, content: string): string {
    return createHmac('sha256', this.secret).update(key).update('\0').update(content).digest('base64url');
  }
}
