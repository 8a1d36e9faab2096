import { hash, randomUUID } from 'node:crypto';
import type { SharedStore } from '@app/redis';
import type { GrantedToken } from '@app/user-token-client';
import {
  Sessions,
  type Predecessor,
  type Release,
  type Session,
  type SessionState,
} from '../core/sessions.js';
import type { SealedBox } from './sealed-box.js';

export interface StoreSessionsOptions {
  /** How long a session may be left without a refresh. */
  readonly idleSeconds: number;
  /** How long others who present the same old token get the answer of its refresh. */
  readonly replayWindowSeconds: number;
  /** How long it is remembered that a token was refreshed, so that its reuse is noticed. Longer than the replay window. */
  readonly reuseDetectionSeconds: number;
  /** Longest time that a refresh may hold its lock. */
  readonly lockMs: number;
}

/** Sessions in the shared store, one sealed value each, under the hash of the access token. */
export class StoreSessions extends Sessions {
  constructor(
    private readonly store: SharedStore,
    private readonly box: SealedBox,
    private readonly options: StoreSessionsOptions,
  ) {
    super();
  }

  override async find(accessToken: string): Promise<SessionState | undefined> {
    const place = placeOf(accessToken);
    const [sealed] = await this.store.getMany([place], { timeoutMs: 1_000 });
    const content = sealed ? this.box.open(accessToken, place, sealed) : undefined;
    return content === undefined ? undefined : (JSON.parse(content) as SessionState);
  }

  override async start(accessToken: string, session: Session): Promise<void> {
    await this.store.set(placeOf(accessToken), this.seal(accessToken, { kind: 'open', session }), {
      ttlMs: this.options.idleSeconds * 1000,
    });
  }

  override async replace(old: Predecessor, token: GrantedToken, session: Session): Promise<void> {
    const { accessToken: oldAccessToken, issuedAtSeconds } = old;
    const { subject, expiresAtSeconds } = session;
    await this.store.writeAll([
      {
        op: 'set',
        key: placeOf(token.accessToken),
        value: this.seal(token.accessToken, { kind: 'open', session }),
        ttlMs: this.options.idleSeconds * 1000,
      },
      {
        op: 'set',
        key: placeOf(oldAccessToken),
        value: this.seal(oldAccessToken, {
          kind: 'refreshed',
          subject,
          issuedAtSeconds,
          token,
          expiresAtSeconds,
          replayUntilSeconds: Date.now() / 1000 + this.options.replayWindowSeconds,
        }),
        ttlMs: this.options.reuseDetectionSeconds * 1000,
      },
    ]);
  }

  override async end(accessToken: string): Promise<void> {
    await this.store.delete(placeOf(accessToken));
  }

  override async lock(accessToken: string): Promise<Release | undefined> {
    const key = `lock:v1:${hash('sha256', accessToken, 'base64url')}`;
    const owner = randomUUID();
    const taken = await this.store.setIfAbsent(key, owner, { ttlMs: this.options.lockMs });
    if (!taken) return undefined;
    // A release that is lost costs the next refresh of this session the rest of the lock's life.
    return () => this.store.deleteIfEqual(key, owner).then(noop, noop);
  }

  private seal(accessToken: string, state: SessionState): string {
    return this.box.seal(accessToken, placeOf(accessToken), JSON.stringify(state));
  }
}

function placeOf(accessToken: string): string {
  return `session:v1:${hash('sha256', accessToken, 'base64url')}`;
}

function noop(): void {}
