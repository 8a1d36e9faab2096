import { randomUUID } from 'node:crypto';
import type { SharedStore, Write } from '@app/redis';
import { subjectKey, type Principal } from '@app/user-token-client';
import type { TokenFacts } from '../core/denials.js';
import { IssuedAccessTokens, type IssuedAccessToken } from '../core/issued-tokens.js';
import {
  credentialId,
  credentialOf,
  Sessions,
  type Issued,
  type Session,
  type SessionEntry,
  type SessionLock,
  type SessionState,
} from '../core/sessions.js';
import { tokenId } from '../core/token-id.js';
import type { SealedBox } from './sealed-box.js';

export interface StoreSessionsOptions {
  /** How long a session may be left without a refresh. */
  readonly idleSeconds: number;
  /** How long others who present the same old access token get the answer of its refresh. */
  readonly replayWindowSeconds: number;
  /** How long it is remembered that a credential was refreshed, so that its reuse is noticed. Longer than the replay window. */
  readonly reuseDetectionSeconds: number;
  /** Longest time that a refresh may hold its lock. */
  readonly lockMs: number;
}

/** Sessions that a user is shown: as many as fit into one message of user-token, however long their user agents are. */
const MAX_ENTRIES = 64;
const READ_TIMEOUT_MS = 1_000;

/**
 * Sessions in the shared store: a sealed value under the hash of its credential, an entry for its user sealed by his subject,
 * and an issued access token's principal sealed by that token. What belongs together is written together.
 */
export class StoreSessions extends Sessions {
  constructor(
    private readonly store: SharedStore,
    private readonly box: SealedBox,
    private readonly options: StoreSessionsOptions,
  ) {
    super();
  }

  override find(credential: string): Promise<SessionState | undefined> {
    return open(this.store, this.box, credential, placeOf(credentialId(credential)));
  }

  override async start(issued: Issued, session: Session): Promise<void> {
    await this.store.writeAll(this.writesOf(issued, session));
  }

  override async replace(
    credential: string,
    replaced: TokenFacts,
    issued: Issued,
    session: Session,
    lock: SessionLock,
  ): Promise<boolean> {
    const { subject, clientId, expiresAtSeconds } = session;
    const replayWindowSeconds = clientId === undefined ? this.options.replayWindowSeconds : 0;
    const state: SessionState = {
      kind: 'refreshed',
      subject,
      clientId,
      token: issued.token,
      replaced,
      expiresAtSeconds,
      replayUntilSeconds: Date.now() / 1000 + replayWindowSeconds,
    };
    const place = placeOf(credentialId(credential));
    const writes = this.writesOf(issued, session);
    // Auth0's tokens have no jti: two of one second can be the same, and then nothing was replaced.
    if (credentialOf(issued.token) !== credential) {
      const ttlMs = this.options.reuseDetectionSeconds * 1000;
      writes.push({ op: 'set', key: place, value: this.seal(credential, place, state), ttlMs });
    }
    return this.store.writeAllIfEqual(lock.key, lock.owner, writes);
  }

  override async end({
    id,
    subject,
    credentialId: credential,
    accessTokens,
  }: Pick<SessionEntry, 'id' | 'subject' | 'credentialId' | 'accessTokens'>): Promise<void> {
    await this.store.writeAll([
      { op: 'delete', key: placeOf(credential) },
      { op: 'delete', key: entryPlace(id) },
      { op: 'removeMember', key: listPlace(subject), member: id },
      ...accessTokens.map((token): Write => ({ op: 'delete', key: issuedPlace(token.tokenId) })),
    ]);
  }

  override async entriesOf(subject: string): Promise<readonly SessionEntry[]> {
    const ids = await this.store.members(listPlace(subject), { timeoutMs: READ_TIMEOUT_MS });
    if (ids.length === 0) return [];
    const sealed = await this.store.getMany(ids.map(entryPlace), { timeoutMs: READ_TIMEOUT_MS });
    return ids
      .map((id, index) => this.openEntry(subject, id, sealed[index]))
      .filter((entry) => entry !== undefined);
  }

  override async entry(subject: string, id: string): Promise<SessionEntry | undefined> {
    const [sealed] = await this.store.getMany([entryPlace(id)], { timeoutMs: READ_TIMEOUT_MS });
    return this.openEntry(subject, id, sealed);
  }

  override async lock(id: string): Promise<SessionLock | undefined> {
    const key = `lock:v1:${id}`;
    const owner = randomUUID();
    const taken = await this.store.setIfAbsent(key, owner, { ttlMs: this.options.lockMs });
    if (!taken) return undefined;
    // A release that is lost costs the next refresh of this session the rest of the lock's life.
    return { key, owner, release: () => this.store.deleteIfEqual(key, owner).then(noop, noop) };
  }

  private writesOf({ token, principal }: Issued, session: Session): Write[] {
    const { id, subject } = session;
    const ttlMs = this.options.idleSeconds * 1000;
    const credential = credentialOf(token);
    const place = placeOf(credentialId(credential));
    const state: SessionState = { kind: 'open', session };
    return [
      { op: 'set', key: place, value: this.seal(credential, place, state), ttlMs },
      { op: 'set', key: entryPlace(id), value: this.sealEntry(session, credential), ttlMs },
      { op: 'addMember', key: listPlace(subject), member: id, ttlMs, max: MAX_ENTRIES },
      ...(principal ? [this.issuedWrite(token.accessToken, principal, id)] : []),
    ];
  }

  private issuedWrite(accessToken: string, principal: Principal, sessionId: string): Write {
    const key = issuedPlace(tokenId(accessToken));
    const issued: IssuedAccessToken = { principal, sessionId };
    const ttlMs = principal.expiresAtSeconds * 1000 - Date.now();
    return { op: 'set', key, value: this.seal(accessToken, key, issued), ttlMs };
  }

  private sealEntry({ refreshToken: _, scope: __, ...session }: Session, credential: string): string {
    const entry: SessionEntry = { ...session, credentialId: credentialId(credential) };
    return this.seal(session.subject, entryPlace(session.id), entry);
  }

  private openEntry(subject: string, id: string, sealed: string | null | undefined) {
    const content = sealed ? this.box.open(subject, entryPlace(id), sealed) : undefined;
    return content === undefined ? undefined : (JSON.parse(content) as SessionEntry);
  }

  private seal(keyMaterial: string, place: string, content: object): string {
    return this.box.seal(keyMaterial, place, JSON.stringify(content));
  }
}

/** Access tokens of our own, where {@link StoreSessions} left them. */
export class StoreIssuedAccessTokens extends IssuedAccessTokens {
  constructor(
    private readonly store: SharedStore,
    private readonly box: SealedBox,
  ) {
    super();
  }

  override find(accessToken: string): Promise<IssuedAccessToken | undefined> {
    return open(this.store, this.box, accessToken, issuedPlace(tokenId(accessToken)));
  }
}

async function open<T>(
  store: SharedStore,
  box: SealedBox,
  keyMaterial: string,
  place: string,
): Promise<T | undefined> {
  const [sealed] = await store.getMany([place], { timeoutMs: READ_TIMEOUT_MS });
  const content = sealed ? box.open(keyMaterial, place, sealed) : undefined;
  return content === undefined ? undefined : (JSON.parse(content) as T);
}

function placeOf(id: string): string {
  return `session:v2:${id}`;
}

function entryPlace(sessionId: string): string {
  return `session-entry:v1:${sessionId}`;
}

function listPlace(subject: string): string {
  return `sessions:v1:${subjectKey(subject)}`;
}

function issuedPlace(id: string): string {
  return `issued:v1:${id}`;
}

function noop(): void {}
