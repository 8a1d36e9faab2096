import {
  bareName,
  formerName,
  HeldLock,
  patient,
  StoreLock,
  type KeyValues,
  type LockWait,
  type Sets,
  type Write,
} from '@app/store';
import {
  former,
  isFormerCredentialId,
  issuedTokenKey,
  issuedTokenSubjectKey,
  sessionEntryKey,
  sessionKey,
  sessionListKey,
  sessionLockKey,
  subjectKey,
  type Principal,
} from '@app/contract';
import { nowInSeconds, type Clock } from '../../core/clock.js';
import { IssuedAccessTokens, type IssuedAccessToken } from '../../core/tokens/issued-tokens.js';
import { LRUCache } from 'lru-cache';
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
} from '../../core/sessions/sessions.js';
import { tokenId } from '../../core/tokens/token-id.js';
import type { SealedBox } from './sealed-box.js';

export interface StoreSessionsOptions {
  /** How long a session may be left without a refresh. */
  readonly idleSeconds: number;
  /** How long a refreshed access token still gets the answer of its refresh. */
  readonly replayWindowSeconds: number;
  /** The same for the refresh token of a registered client; 0 for not at all. */
  readonly clientReplayWindowSeconds: number;
  /** How long a refresh by a refreshed credential counts as reuse. Longer than the replay windows. */
  readonly reuseDetectionSeconds: number;
  /** Longest time of a refresh under its lock. */
  readonly lockMs: number;
  readonly clock: Clock;
}

/** Far more than a user has before the surplus ones end. An entry that leaves the list is lost. */
const MAX_ENTRIES = 16 * MAX_SESSIONS;
const READ_TIMEOUT_MS = 1_000;
/** One use case asks several times for the names of the same few credentials. */
const MAX_NAMED = 256;

/** `reserved`: about to become the credential of this session. */
type Stored = SessionState | { readonly kind: 'reserved'; readonly sessionId: string };

/**
 * Sessions in the shared store: a sealed value under the hash of its credential, an entry for its user sealed under the subject,
 * and the principal of an issued access token sealed under that token. One transaction writes what belongs together.
 */
export class StoreSessions extends Sessions {
  private readonly names = new LRUCache<string, string>({ max: MAX_NAMED, memoMethod: credentialId });
  private readonly locks: StoreLock;

  constructor(
    private readonly store: KeyValues & Sets,
    private readonly box: SealedBox,
    private readonly options: StoreSessionsOptions,
  ) {
    super();
    this.locks = new StoreLock(store, { leaseMs: options.lockMs, clock: options.clock });
  }

  override async find(credential: string): Promise<SessionState | undefined> {
    const stored = await this.stored(credential);
    return stored?.kind === 'reserved' ? undefined : stored;
  }

  override start(issued: Issued, session: Session): Promise<boolean> {
    const [place] = this.placesOf(credentialOf(issued.token));
    return this.store.writeAllIfEqual(place, null, this.writesOf(issued, session));
  }

  override update(credential: string, session: Session, lock: SessionLock): Promise<boolean> {
    // An update is no use of the session, which ends with its entry. The time of its last use is a whole second.
    const ttlMs = this.ttlMsOf(session, session.usedAtSeconds + 1);
    return held(lock).write(this.stateWrites(credential, session, ttlMs));
  }

  override async reserve(credential: string, session: Session): Promise<boolean> {
    // A client's credential is ours, of random bits.
    if (session.clientId !== undefined) return true;
    const [place] = this.placesOf(credential);
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
      writes.push(...this.linkWrites(credential, former, issued, session));
    return held(lock).writeAndRelease(writes);
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
    const places = [
      placesOf(credential),
      entryPlaces(subject, id),
      ...accessTokens.map((token) => issuedPlaces(subjectKey(subject), token.tokenId)),
    ];
    return held(lock).write([
      ...places.flat().map((key): Write => ({ op: 'delete', key })),
      ...listPlaces(subject).map((key): Write => ({ op: 'removeMember', key, member: id })),
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
    return (await this.openEntries(subject, [id]))[0];
  }

  override lock(id: string, wait?: LockWait): Promise<SessionLock | undefined> {
    return this.locks.take(lockPlaces(id), wait);
  }

  private stored(credential: string): Promise<Stored | undefined> {
    return open(this.store, this.box, credential, this.placesOf(credential));
  }

  private linkWrites(
    credential: string,
    former: Session,
    { token }: Issued,
    { id: sessionId, subject, clientId, expiresAtSeconds }: Session,
  ): Write[] {
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
    // Earlier credentials lead to the session by way of this one, for as long as they could be in force.
    const untilSeconds = Math.max(
      reuseUntilSeconds,
      ...former.accessTokens.map((accessToken) => accessToken.expiresAtSeconds),
      clientId === undefined ? 0 : former.usedAtSeconds + idleSeconds,
    );
    const places = this.placesOf(credential);
    const ttlMs = (untilSeconds - nowSeconds) * 1000;
    return setWrites(places, this.seal(credential, places[0], state), ttlMs);
  }

  private writesOf({ token, principal }: Issued, session: Session): Write[] {
    const { id, subject } = session;
    const ttlMs = this.ttlMsOf(session);
    const credential = credentialOf(token);
    const [list, formerList] = listPlaces(subject);
    return [
      ...this.sessionWrites(credential, session),
      { op: 'addMember', key: list, member: id, ttlMs, max: MAX_ENTRIES },
      { op: 'removeMember', key: formerList, member: id },
      ...(principal ? [this.issuedWrite(token.accessToken, principal, id)] : []),
    ];
  }

  private sessionWrites(credential: string, session: Session): Write[] {
    const { subject, id } = session;
    return [
      ...this.stateWrites(credential, session, this.ttlMsOf(session)),
      ...setWrites(entryPlaces(subject, id), this.sealEntry(session, credential), this.ttlMsOf(session)),
    ];
  }

  private stateWrites(credential: string, session: Session, ttlMs: number): Write[] {
    const places = this.placesOf(credential);
    const state: SessionState = { kind: 'open', session };
    return setWrites(places, this.seal(credential, places[0], state), ttlMs);
  }

  /** A log-out can end a session for as long as one of its tokens could be in force, even when it is too late for a refresh. */
  private ttlMsOf({ accessTokens }: Session, usedAtSeconds = nowInSeconds(this.options.clock)): number {
    const { idleSeconds, clock } = this.options;
    const ends = accessTokens.map(({ expiresAtSeconds }) => expiresAtSeconds);
    return (Math.max(usedAtSeconds + idleSeconds, ...ends) - nowInSeconds(clock)) * 1000;
  }

  private issuedWrite(accessToken: string, principal: Principal, sessionId: string): Write {
    const [key] = issuedPlaces(subjectKey(principal.subject), tokenId(accessToken));
    const issued: IssuedAccessToken = { principal, sessionId };
    const ttlMs = principal.expiresAtSeconds * 1000 - this.options.clock.nowMs();
    return { op: 'set', key, value: this.seal(accessToken, key, issued), ttlMs };
  }

  private async members(subject: string): Promise<readonly string[]> {
    const lists = listPlaces(subject).map((key) => this.store.members(key, patient(READ_TIMEOUT_MS)));
    return [...new Set((await Promise.all(lists)).flat())];
  }

  /** The last one used first. */
  private async openEntries(subject: string, ids: readonly string[]): Promise<SessionEntry[]> {
    if (ids.length === 0) return [];
    const places = ids.map((id) => entryPlaces(subject, id));
    const sealed = await this.store.getMany(places.flat(), patient(READ_TIMEOUT_MS));
    return places
      .map((of, index) => this.openEntry(subject, of, sealed.slice(2 * index, 2 * index + 2)))
      .filter((entry) => entry !== undefined)
      .sort((a, b) => b.usedAtSeconds - a.usedAtSeconds);
  }

  /** Without the data that only the credential opens. */
  private sealEntry(session: Session, credential: string): string {
    const { refreshToken: _, unjudged: __, surplusRefreshTokens: ___, scope: ____, ...shown } = session;
    const entry: SessionEntry = { ...shown, credentialId: this.names.memo(credential) };
    return this.seal(session.subject, entryPlaces(session.subject, session.id)[0], entry);
  }

  private openEntry(subject: string, places: Places, sealed: readonly (string | null)[]) {
    const content = opened(this.box, subject, places, sealed);
    return content === undefined ? undefined : (JSON.parse(content) as SessionEntry);
  }

  private placesOf(credential: string): Places {
    return placesOf(this.names.memo(credential));
  }

  private seal(keyMaterial: string, place: string, content: object): string {
    return this.box.seal(keyMaterial, place, JSON.stringify(content));
  }
}

/** Access tokens of our own, from the places where {@link StoreSessions} writes them. */
export class StoreIssuedAccessTokens extends IssuedAccessTokens {
  constructor(
    private readonly store: KeyValues,
    private readonly box: SealedBox,
  ) {
    super();
  }

  override find(accessToken: string): Promise<IssuedAccessToken | undefined> {
    const of = issuedTokenSubjectKey(accessToken);
    if (of === undefined) return Promise.resolve(undefined);
    return open(this.store, this.box, accessToken, issuedPlaces(of, tokenId(accessToken)));
  }
}

async function open<T>(
  store: KeyValues,
  box: SealedBox,
  keyMaterial: string,
  places: Places,
): Promise<T | undefined> {
  const sealed = await store.getMany(places, patient(READ_TIMEOUT_MS));
  const content = opened(box, keyMaterial, places, sealed);
  return content === undefined ? undefined : (JSON.parse(content) as T);
}

/** The place of a value, and its place under a former name. */
type Places = readonly [place: string, formerPlace: string];

/** A value under the present name is the newer one. */
function opened(
  box: SealedBox,
  keyMaterial: string,
  [place, formerPlace]: Places,
  [sealed, formerly]: readonly (string | null)[],
): string | undefined {
  if (sealed) return box.open(keyMaterial, place, sealed);
  return formerly ? box.open(keyMaterial, bareName(formerPlace), formerly) : undefined;
}

/** Deletes the value under the former name as well. */
function setWrites([key, formerPlace]: Places, value: string, ttlMs: number): Write[] {
  return [
    { op: 'set', key, value, ttlMs },
    { op: 'delete', key: formerPlace },
  ];
}

function placesOf(id: string): Places {
  return [sessionKey(id), formerName(former.sessionKey(id))];
}

/** A change of a session takes both locks: an earlier version of user-token knows only one. */
function lockPlaces(id: string): readonly string[] {
  const formerPlace = formerName(former.sessionLockKey(id));
  return isFormerCredentialId(id) ? [formerPlace] : [sessionLockKey(id), formerPlace];
}

function entryPlaces(subject: string, sessionId: string): Places {
  return [sessionEntryKey(subjectKey(subject), sessionId), formerName(former.sessionEntryKey(sessionId))];
}

function listPlaces(subject: string): Places {
  const of = subjectKey(subject);
  return [sessionListKey(of), formerName(former.sessionListKey(of))];
}

function issuedPlaces(of: string, id: string): Places {
  return [issuedTokenKey(of, id), formerName(former.issuedTokenKey(id))];
}

function held(lock: SessionLock): HeldLock {
  if (lock instanceof HeldLock) return lock;
  throw new TypeError('the lock is not one of these sessions');
}
