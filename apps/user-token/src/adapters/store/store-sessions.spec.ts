import { jest } from '@jest/globals';
import { openStore, type SharedStore } from '@app/store';
import {
  issuedTokenKey,
  newIssuedToken,
  sessionKey,
  subjectKey,
  type GrantedToken,
  type Principal,
} from '@app/contract';
import {
  credentialId,
  credentialOf,
  MAX_SESSIONS,
  type Issued,
  type Session,
  type SessionEntry,
  type SessionLock,
} from '../../core/sessions/sessions.js';
import { tokenId } from '../../core/tokens/token-id.js';
import { SealedBox } from './sealed-box.js';
import { StoreIssuedAccessTokens, StoreSessions, type StoreSessionsOptions } from './store-sessions.js';

const SUBJECT = 'auth0|ada';
const SECRET = 'a secret of this spec, long enough';
const DAY_SECONDS = 24 * 3600;
const IDLE_SECONDS = 14 * DAY_SECONDS;
const ACCESS_SECONDS = 3_600;
const LOCK_MS = 17_000;

describe('StoreSessions', () => {
  let nowSeconds: number;
  let store: SharedStore;
  let box: SealedBox;
  let unopened: number;
  let sessions: StoreSessions;

  beforeEach(() => {
    nowSeconds = 1_800_000_000;
    jest.spyOn(Date, 'now').mockImplementation(() => nowSeconds * 1000);
    store = openStore('memory:');
    unopened = 0;
    box = new SealedBox([SECRET], () => (unopened += 1));
    sessions = open();
  });

  afterEach(async () => {
    await store.close();
    jest.restoreAllMocks();
  });

  function open(options: Partial<StoreSessionsOptions> = {}, of = box): StoreSessions {
    return new StoreSessions(store, of, {
      idleSeconds: IDLE_SECONDS,
      replayWindowSeconds: 60,
      clientReplayWindowSeconds: 10,
      reuseDetectionSeconds: DAY_SECONDS,
      lockMs: LOCK_MS,
      clock: store,
      ...options,
    });
  }

  let serial = 0;
  const part = (content: object) => Buffer.from(JSON.stringify(content)).toString('base64url');

  /** A new token for its holder, and the session that it opens or goes on with. */
  function granted(of: Partial<Session> = {}): { issued: Issued; session: Session } {
    const isClient = of.clientId !== undefined;
    const expiresAtSeconds = nowSeconds + ACCESS_SECONDS;
    const token: GrantedToken = {
      accessToken: isClient
        ? newIssuedToken('access', SUBJECT)
        : `${part({ alg: 'RS256' })}.${part({ sub: SUBJECT, jti: (serial += 1) })}.c2ln`,
      ...(isClient && { refreshToken: newIssuedToken('refresh', SUBJECT) }),
      expiresInSeconds: ACCESS_SECONDS,
      scope: 'read',
    };
    const principal = { subject: SUBJECT, clientId: of.clientId, expiresAtSeconds } as Principal;
    return {
      issued: { token, principal: isClient ? principal : undefined },
      session: {
        id: `session-${(serial += 1)}`,
        subject: SUBJECT,
        scope: 'read',
        startedAtSeconds: nowSeconds,
        device: { userAgent: 'Spec/1' },
        refreshToken: `upstream-${serial}`,
        ...of,
        usedAtSeconds: nowSeconds,
        issuedAtSeconds: nowSeconds,
        expiresAtSeconds,
        accessTokens: [...(of.accessTokens ?? []), { tokenId: tokenId(token.accessToken), expiresAtSeconds }],
      },
    };
  }
  async function started(of: Partial<Session> = {}) {
    const { issued, session } = granted(of);
    expect(await sessions.start(issued, session)).toBe(true);
    return { issued, session, credential: credentialOf(issued.token) };
  }
  async function locked(credential: string): Promise<SessionLock> {
    return (await sessions.lock(credentialId(credential)))!;
  }
  /** The session under the next credential. */
  async function replaced(from: { session: Session; credential: string }, by = sessions) {
    const lock = (await by.lock(credentialId(from.credential)))!;
    const { issued, session } = granted(from.session);
    expect(await by.replace(from.credential, from.session, issued, session, lock)).toBe(true);
    return { issued, session, credential: credentialOf(issued.token) };
  }
  const entryOf = ({ session, credential }: { session: Session; credential: string }): SessionEntry => {
    const { refreshToken: _, scope: __, unjudged: ___, surplusRefreshTokens: ____, ...shown } = session;
    return { ...shown, credentialId: credentialId(credential) };
  };
  async function everything(): Promise<string> {
    let all = '';
    for await (const { key, value } of store.scan('')) all += `${key} ${value}\n`;
    return all;
  }

  describe('start', () => {
    it.each([undefined, 'portal'])('opens a session by its credential (client: %s)', async (clientId) => {
      const { session, credential } = await started({ clientId });
      expect(await sessions.find(credential)).toEqual({ kind: 'open', session });
      expect(await sessions.entry(SUBJECT, session.id)).toEqual(entryOf({ session, credential }));
    });

    it('changes nothing where the credential opens a session, was refreshed, or is about to open one', async () => {
      const first = await started();
      expect(await sessions.start(first.issued, granted().session)).toBe(false);
      expect(await sessions.find(first.credential)).toEqual({ kind: 'open', session: first.session });
      const second = await replaced(first);
      expect(await sessions.start(first.issued, granted().session)).toBe(false);
      const next = granted();
      expect(await sessions.reserve(credentialOf(next.issued.token), second.session)).toBe(true);
      expect(await sessions.start(next.issued, next.session)).toBe(false);
      expect(await sessions.entriesOf(SUBJECT)).toHaveLength(1);
    });

    it('leaves nothing in the store by which the session could be opened', async () => {
      const { session, issued, credential } = await started({ clientId: 'portal' });
      const all = await everything();
      for (const secret of [
        credential,
        issued.token.accessToken,
        session.refreshToken!,
        SUBJECT,
        session.scope + '"',
      ])
        expect(all).not.toContain(secret);
      const key = sessionKey(credentialId(credential));
      const [sealed] = await store.getMany([key]);
      expect(box.open(SUBJECT, key, sealed!)).toBeUndefined();
      expect(
        new SealedBox(['another secret, also long enough']).open(credential, key, sealed!),
      ).toBeUndefined();
    });
  });

  describe('find', () => {
    it('finds nothing under a credential that was never given out, nor under one that is only reserved', async () => {
      expect(await sessions.find('never-given-out-')).toBeUndefined();
      const { session } = await started();
      expect(await sessions.reserve('reserved-for-it-', session)).toBe(true);
      expect(await sessions.find('reserved-for-it-')).toBeUndefined();
    });

    it('finds nothing where the value was moved, or sealed with another secret, and tells of it', async () => {
      const [one, other] = [await started(), await started()];
      const keys = [one, other].map(({ credential }) => sessionKey(credentialId(credential)));
      const [sealed] = await store.getMany([keys[0]!]);
      await store.set(keys[1]!, sealed!, { ttlMs: 1_000 });
      expect(await sessions.find(other.credential)).toBeUndefined();
      expect(unopened).toBe(1);
      const elsewhere = open({}, new SealedBox(['another secret, also long enough']));
      expect(await elsewhere.find(one.credential)).toBeUndefined();
    });

    it.each([
      ['until it has not been used for so long', undefined, IDLE_SECONDS],
      ['of a client, the same', 'portal', IDLE_SECONDS],
    ])('finds a session %s', async (_title, clientId, seconds) => {
      const { credential } = await started({ clientId });
      nowSeconds += seconds - 1;
      expect(await sessions.find(credential)).toMatchObject({ kind: 'open' });
      nowSeconds += 1;
      expect(await sessions.find(credential)).toBeUndefined();
      expect(await sessions.entriesOf(SUBJECT)).toEqual([]);
    });

    it('finds a session for as long as one of its access tokens is in force', async () => {
      sessions = open({ idleSeconds: 60 });
      const { credential, session } = await started();
      nowSeconds += ACCESS_SECONDS - 1;
      expect(await sessions.find(credential)).toMatchObject({ kind: 'open' });
      expect(await sessions.entry(SUBJECT, session.id)).toBeDefined();
      nowSeconds += 1;
      expect(await sessions.find(credential)).toBeUndefined();
    });
  });

  describe('replace', () => {
    it.each([
      [undefined, 60],
      ['portal', 10],
    ])('leads the old credential to the new one (client: %s)', async (clientId, windowSeconds) => {
      const first = await started({ clientId });
      nowSeconds += 100;
      const second = await replaced(first);
      expect(await sessions.find(second.credential)).toEqual({ kind: 'open', session: second.session });
      expect(await sessions.find(first.credential)).toEqual({
        kind: 'refreshed',
        subject: SUBJECT,
        clientId,
        sessionId: first.session.id,
        token: second.issued.token,
        replaced: {
          subject: SUBJECT,
          tokenId: tokenId(first.issued.token.accessToken),
          issuedAtSeconds: nowSeconds - 100,
        },
        expiresAtSeconds: nowSeconds + ACCESS_SECONDS,
        replayUntilSeconds: nowSeconds + windowSeconds,
        reuseUntilSeconds: nowSeconds + DAY_SECONDS,
      });
      expect(await sessions.entriesOf(SUBJECT)).toEqual([entryOf(second)]);
    });

    it.each<[string, Partial<StoreSessionsOptions>, string | undefined, number]>([
      ['for as long as its reuse is to be noticed', {}, undefined, DAY_SECONDS],
      ['for as long as it is in force itself', { reuseDetectionSeconds: 60 }, undefined, ACCESS_SECONDS],
      ['of a client, for as long as it could be refreshed by it', {}, 'portal', IDLE_SECONDS],
      [
        'of a client, for as long as it is in force itself',
        { idleSeconds: 60, reuseDetectionSeconds: 60 },
        'portal',
        ACCESS_SECONDS,
      ],
    ])('the old credential leads to it %s', async (_title, options, clientId, seconds) => {
      sessions = open(options);
      const first = await started({ clientId });
      await replaced(first);
      nowSeconds += seconds - 1;
      expect(await sessions.find(first.credential)).toMatchObject({ kind: 'refreshed' });
      nowSeconds += 1;
      expect(await sessions.find(first.credential)).toBeUndefined();
    });

    it('gives the lock back', async () => {
      const first = await started();
      await replaced(first);
      expect(await sessions.lock(credentialId(first.credential))).toBeDefined();
    });

    it('changes nothing when the lock was lost meanwhile, and leaves the lock to its new holder', async () => {
      const { session, credential } = await started();
      const lost = await locked(credential);
      nowSeconds += LOCK_MS / 1000;
      const lock = await locked(credential);
      const next = granted(session);
      expect(await sessions.replace(credential, session, next.issued, next.session, lost)).toBe(false);
      expect(await sessions.find(credential)).toEqual({ kind: 'open', session });
      expect(await sessions.find(credentialOf(next.issued.token))).toBeUndefined();
      await lost.release();
      expect(await sessions.lock(credentialId(credential))).toBeUndefined();
      await lock.release();
      expect(await sessions.lock(credentialId(credential))).toBeDefined();
    });

    it('by the same access token, as Auth0 gives out within a second, goes on under it', async () => {
      const { issued, session, credential } = await started();
      const lock = await locked(credential);
      const next = { ...session, refreshToken: 'upstream-next' };
      expect(await sessions.replace(credential, session, issued, next, lock)).toBe(true);
      expect(await sessions.find(credential)).toEqual({ kind: 'open', session: next });
    });
  });

  describe('update', () => {
    it('keeps what it is given under the same credential; the entry stays', async () => {
      const { session, credential } = await started();
      const lock = await locked(credential);
      const changed = {
        ...session,
        refreshToken: 'upstream-next',
        surplusRefreshTokens: ['upstream-surplus'],
      };
      expect(await sessions.update(credential, changed, lock)).toBe(true);
      expect(await sessions.find(credential)).toEqual({ kind: 'open', session: changed });
      expect(await sessions.entry(SUBJECT, session.id)).toEqual(entryOf({ session, credential }));
    });

    it('is no use: the session ends with its entry, a whole second after that at the most', async () => {
      const { session, credential } = await started();
      nowSeconds += DAY_SECONDS;
      expect(await sessions.update(credential, session, await locked(credential))).toBe(true);
      nowSeconds += IDLE_SECONDS - DAY_SECONDS;
      expect(await sessions.find(credential)).toMatchObject({ kind: 'open' });
      nowSeconds += 1;
      expect(await sessions.find(credential)).toBeUndefined();
    });

    it('changes nothing when the lock was lost meanwhile', async () => {
      const { session, credential } = await started();
      const lost = await locked(credential);
      nowSeconds += LOCK_MS / 1000;
      expect(await sessions.update(credential, { ...session, refreshToken: 'x' }, lost)).toBe(false);
      expect(await sessions.find(credential)).toEqual({ kind: 'open', session });
    });
  });

  describe('reserve', () => {
    it('keeps a credential for one session, and says so to it as often as it asks', async () => {
      const [one, other] = [await started(), await started()];
      const { issued } = granted();
      const next = credentialOf(issued.token);
      for (let i = 0; i < 2; i += 1) expect(await sessions.reserve(next, one.session)).toBe(true);
      expect(await sessions.reserve(next, other.session)).toBe(false);
    });

    it('refuses what opens another session or has opened one, and nothing that was its own', async () => {
      const [one, other] = [await started(), await started()];
      expect(await sessions.reserve(other.credential, one.session)).toBe(false);
      expect(await sessions.reserve(one.credential, one.session)).toBe(true);
      const next = await replaced(other);
      expect(await sessions.reserve(other.credential, one.session)).toBe(false);
      expect(await sessions.reserve(other.credential, next.session)).toBe(true);
    });

    it('has nothing to keep for a client: its credential is random', async () => {
      const { session } = await started({ clientId: 'portal' });
      const before = await everything();
      expect(await sessions.reserve(newIssuedToken('refresh', SUBJECT), session)).toBe(true);
      expect(await everything()).toBe(before);
    });

    it('lasts as long as the session', async () => {
      const [one, other] = [await started(), await started()];
      await sessions.reserve('reserved-for-it-', one.session);
      nowSeconds += IDLE_SECONDS - 1;
      expect(await sessions.reserve('reserved-for-it-', other.session)).toBe(false);
      nowSeconds += 1;
      expect(await sessions.reserve('reserved-for-it-', { ...other.session, accessTokens: [] })).toBe(true);
    });
  });

  describe('end', () => {
    it.each([undefined, 'portal'])(
      'forgets the session and its access tokens (client: %s)',
      async (clientId) => {
        const kept = await started();
        const ended = await started({ clientId });
        const before = await everything();
        expect(before).toContain(sessionKey(credentialId(ended.credential)));
        expect(await sessions.end(entryOf(ended), await locked(ended.credential))).toBe(true);
        expect(await sessions.find(ended.credential)).toBeUndefined();
        expect(await sessions.entry(SUBJECT, ended.session.id)).toBeUndefined();
        expect(await sessions.entriesOf(SUBJECT)).toEqual([entryOf(kept)]);
        const issued = issuedTokenKey(subjectKey(SUBJECT), tokenId(ended.issued.token.accessToken));
        expect(await store.getMany([issued])).toEqual([null]);
        expect(await everything()).not.toContain(ended.session.id);
      },
    );

    it('forgets nothing when the lock was lost meanwhile', async () => {
      const { session, credential } = await started();
      const lost = await locked(credential);
      nowSeconds += LOCK_MS / 1000;
      expect(await sessions.end(entryOf({ session, credential }), lost)).toBe(false);
      expect(await sessions.find(credential)).toMatchObject({ kind: 'open' });
    });
  });

  describe('the entries of a user', () => {
    it('come with the one used last first, those of others not at all', async () => {
      const first = await started();
      nowSeconds += 1;
      const second = await started();
      nowSeconds += 1;
      const again = await replaced(first);
      expect(await sessions.entriesOf(SUBJECT)).toEqual([entryOf(again), entryOf(second)]);
      expect(await sessions.entriesOf('auth0|grace')).toEqual([]);
      expect(await sessions.entry('auth0|grace', first.session.id)).toBeUndefined();
    });

    it('are surplus where they are more than a user may have: those unused longest', async () => {
      const all: Awaited<ReturnType<typeof started>>[] = [];
      for (let i = 0; i < MAX_SESSIONS; i += 1) {
        all.push(await started());
        nowSeconds += 1;
      }
      expect(await sessions.surplusEntriesOf(SUBJECT)).toEqual([]);
      for (let i = 0; i < 2; i += 1) {
        all.push(await started());
        nowSeconds += 1;
      }
      expect(await sessions.surplusEntriesOf(SUBJECT)).toEqual([entryOf(all[1]!), entryOf(all[0]!)]);
    });
  });

  describe('lock', () => {
    it('is held by one, for its time', async () => {
      const first = await locked('a-credential-of-a-user');
      expect(first.isInForce).toBe(true);
      expect(await sessions.lock(credentialId('a-credential-of-a-user'))).toBeUndefined();
      expect(await sessions.lock(credentialId('another-credential'))).toBeDefined();
      nowSeconds += LOCK_MS / 1000 - 1;
      expect(first.isInForce).toBe(true);
      expect(await sessions.lock(credentialId('a-credential-of-a-user'))).toBeUndefined();
      nowSeconds += 1;
      expect(first.isInForce).toBe(false);
      expect(await sessions.lock(credentialId('a-credential-of-a-user'))).toBeDefined();
    });

    it('is free again once it was given back, though the store does not confirm', async () => {
      const held = await locked('a-credential-of-a-user');
      store.deleteIfEqual = () => Promise.reject(new Error('no answer'));
      await expect(held.release()).resolves.toBeUndefined();
      Reflect.deleteProperty(store, 'deleteIfEqual');
      await held.release();
      expect(await sessions.lock(credentialId('a-credential-of-a-user'))).toBeDefined();
    });

    it('fails where the store does not answer', async () => {
      store.setIfAbsent = () => Promise.reject(new Error('no answer'));
      await expect(sessions.lock('x')).rejects.toThrow('no answer');
    });
  });

  describe('StoreIssuedAccessTokens', () => {
    const find = (accessToken: string) => new StoreIssuedAccessTokens(store, box).find(accessToken);

    it("finds a client's access token until it expires", async () => {
      const { issued, session } = await started({ clientId: 'portal' });
      nowSeconds += ACCESS_SECONDS - 1;
      expect(await find(issued.token.accessToken)).toEqual({
        principal: issued.principal,
        sessionId: session.id,
      });
      nowSeconds += 1;
      expect(await find(issued.token.accessToken)).toBeUndefined();
    });

    it('finds no other: of no user, of our own front ends, or a refresh token', async () => {
      const { issued } = await started({ clientId: 'portal' });
      const own = await started();
      for (const token of [newIssuedToken('access', SUBJECT), own.credential, issued.token.refreshToken!])
        expect(await find(token)).toBeUndefined();
    });
  });
});
