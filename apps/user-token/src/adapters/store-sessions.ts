import { randomUUID } from 'node:crypto';
import type { SharedStore, Write } from '@app/redis';
import { subjectKey, type Principal } from '@app/user-token-client';
import { nowInSeconds, type Clock } from '../core/clock.js';
import { IssuedAccessTokens, type IssuedAccessToken } from '../core/issued-tokens.js';
import {
  credentialId,
  credentialOf,
  factsOf,
  MAX_SESSIONS,
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
  /** The same for the old refresh token of a registered client; 0 for not at all. */
  readonly clientReplayWindowSeconds: number;
  /** How long the reuse of a credential that was refreshed is noticed. Longer than the replay windows. */
  readonly reuseDetectionSeconds: number;
  /** Longest time that a refresh may hold its lock. */
  readonly lockMs: number;
  readonly clock: Clock;
}

/** Far more than a user has for longer than it takes to end the surplus ones: what is dropped from the list is not found again. */
const MAX_ENTRIES = 16 * MAX_SESSIONS;
const READ_TIMEOUT_MS = 1_000;

/** `reserved`: about to become the credential of this session. */
type Stored = SessionState | { readonly kind: 'reserved'; readonly sessionId: string };

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

  override async find(credential: string): Promise<SessionState | undefined> {
    const stored = await this.stored(credential);
    return stored?.kind === 'reserved' ? undefined : stored;
  }

  override start(issued: Issued, session: Session): Promise<boolean> {
    const place = placeOf(credentialId(credentialOf(issued.token)));
    return this.store.writeAllIfEqual(place, null, this.writesOf(issued, session));
  }

  override update(credential: string, session: Session, lock: SessionLock): Promise<boolean> {
    return this.store.writeAllIfEqual(lock.key, lock.owner, [this.sessionWrite(credential, session)]);
  }

  override async reserve(credential: string, session: Session): Promise<boolean> {
    // A client's is made here, of random bits.
    if (session.clientId !== undefined) return true;
    const place = placeOf(credentialId(credential));
    const reserved = this.seal(credential, place, {
      kind: 'reserved',
      sessionId: session.id,
    } satisfies Stored);
    if (await this.store.setIfAbsent(place, reserved, { ttlMs: this.ttlMsOf(session) })) return true;
    const stored = await this.stored(credential);
    return (stored?.kind === 'open' ? stored.session.id : stored?.sessionId) === session.id;
  }

  override replace(
    credential: string,
    former: Session,
    issued: Issued,
    session: Session,
    lock: SessionLock,
  ): Promise<boolean> {
    const writes = this.writesOf(issued, session);
    // Auth0's tokens have no jti: two of one second can be the same, and then nothing was replaced.
    if (credentialOf(issued.token) !== credential)
      writes.push(this.linkWrite(credential, former, issued, session));
    return this.store.writeAllIfEqual(lock.key, lock.owner, writes);
  }

  override end(
    {
      id,
      subject,
      credentialId: credential,
      accessTokens,
    }: Pick<SessionEntry, 'id' | 'subject' | 'credentialId' | 'accessTokens'>,
    lock: SessionLock,
  ): Promise<boolean> {
    return this.store.writeAllIfEqual(lock.key, lock.owner, [
      { op: 'delete', key: placeOf(credential) },
      { op: 'delete', key: entryPlace(id) },
      { op: 'removeMember', key: listPlace(subject), member: id },
      ...accessTokens.map((token): Write => ({ op: 'delete', key: issuedPlace(token.tokenId) })),
    ]);
  }

  override async entriesOf(subject: string): Promise<readonly SessionEntry[]> {
    return this.openEntries(subject, await this.members(subject));
  }

  override async surplusEntriesOf(subject: string): Promise<readonly SessionEntry[]> {
    const ids = await this.members(subject);
    if (ids.length <= MAX_SESSIONS) return [];
    return (await this.openEntries(subject, ids)).slice(MAX_SESSIONS);
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

  private stored(credential: string): Promise<Stored | undefined> {
    return open(this.store, this.box, credential, placeOf(credentialId(credential)));
  }

  private linkWrite(
    credential: string,
    former: Session,
    { token }: Issued,
    { id: sessionId, subject, clientId, expiresAtSeconds }: Session,
  ): Write {
    const { reuseDetectionSeconds, idleSeconds, clock } = this.options;
    const nowSeconds = nowInSeconds(clock);
    const windowSeconds =
      clientId === undefined ? this.options.replayWindowSeconds : this.options.clientReplayWindowSeconds;
    const reuseUntilSeconds = nowSeconds + reuseDetectionSeconds;
    const state: SessionState = {
      kind: 'refreshed',
      subject,
      clientId,
      sessionId,
      token,
      replaced: factsOf(former),
      expiresAtSeconds,
      replayUntilSeconds: nowSeconds + windowSeconds,
      reuseUntilSeconds,
    };
    // Those that were replaced before lead to the session by way of this one, for as long as they could be in force.
    const untilSeconds = Math.max(
      reuseUntilSeconds,
      ...former.accessTokens.map((accessToken) => accessToken.expiresAtSeconds),
      clientId === undefined ? 0 : former.usedAtSeconds + idleSeconds,
    );
    const place = placeOf(credentialId(credential));
    const ttlMs = (untilSeconds - nowSeconds) * 1000;
    return { op: 'set', key: place, value: this.seal(credential, place, state), ttlMs };
  }

  private writesOf({ token, principal }: Issued, session: Session): Write[] {
    const { id, subject } = session;
    const ttlMs = this.ttlMsOf(session);
    const credential = credentialOf(token);
    return [
      this.sessionWrite(credential, session),
      { op: 'set', key: entryPlace(id), value: this.sealEntry(session, credential), ttlMs },
      { op: 'addMember', key: listPlace(subject), member: id, ttlMs, max: MAX_ENTRIES },
      ...(principal ? [this.issuedWrite(token.accessToken, principal, id)] : []),
    ];
  }

  private sessionWrite(credential: string, session: Session): Write {
    const place = placeOf(credentialId(credential));
    const state: SessionState = { kind: 'open', session };
    const value = this.seal(credential, place, state);
    return { op: 'set', key: place, value, ttlMs: this.ttlMsOf(session) };
  }

  /** A session can be ended for as long as one of its tokens could be in force, though it may be too late to refresh it. */
  private ttlMsOf({ accessTokens }: Session): number {
    const { idleSeconds, clock } = this.options;
    const nowSeconds = nowInSeconds(clock);
    const lives = accessTokens.map(({ expiresAtSeconds }) => expiresAtSeconds - nowSeconds);
    return Math.max(idleSeconds, ...lives) * 1000;
  }

  private issuedWrite(accessToken: string, principal: Principal, sessionId: string): Write {
    const key = issuedPlace(tokenId(accessToken));
    const issued: IssuedAccessToken = { principal, sessionId };
    const ttlMs = principal.expiresAtSeconds * 1000 - this.options.clock.nowMs();
    return { op: 'set', key, value: this.seal(accessToken, key, issued), ttlMs };
  }

  private members(subject: string): Promise<readonly string[]> {
    return this.store.members(listPlace(subject), { timeoutMs: READ_TIMEOUT_MS });
  }

  /** The one used last first. */
  private async openEntries(subject: string, ids: readonly string[]): Promise<SessionEntry[]> {
    if (ids.length === 0) return [];
    const sealed = await this.store.getMany(ids.map(entryPlace), { timeoutMs: READ_TIMEOUT_MS });
    return ids
      .map((id, index) => this.openEntry(subject, id, sealed[index]))
      .filter((entry) => entry !== undefined)
      .sort((a, b) => b.usedAtSeconds - a.usedAtSeconds);
  }

  /** Without what takes the credential to see. */
  private sealEntry(session: Session, credential: string): string {
    const { refreshToken: _, unjudged: __, surplusRefreshTokens: ___, scope: ____, ...shown } = session;
    const entry: SessionEntry = { ...shown, credentialId: credentialId(credential) };
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
