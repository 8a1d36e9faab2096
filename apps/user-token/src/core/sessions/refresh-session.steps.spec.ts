import { jest } from '@jest/globals';
import { MAX_TOKEN_LENGTH } from '@app/contract';
import { PORTAL } from '@app/test-support/core/interleavings';
import { Operation, SteppedCore, type Replica } from '@app/test-support/core/stepped-core';
import { until } from '@app/test-support/timing/until';
import { UpstreamUnavailable, type UpstreamGrant } from '../authorization-server.js';
import { Busy } from '../busy.js';
import { refreshTokensOf } from './sessions.js';

const ADA = 'auth0|ada';
const DAY_SECONDS = 24 * 3600;

describe('RefreshSession', () => {
  let core: SteppedCore;
  let replica: Replica;

  beforeEach(async () => {
    core = await SteppedCore.open({ level: 'debug' });
    [replica] = core.replicas;
  });

  afterEach(() => core.close());

  /** Changes the next grant. */
  const grants = (change: (grant: UpstreamGrant) => Partial<UpstreamGrant>) =>
    core.issuer.answersNext.push((usual) => (usual.granted ? { ...usual, ...change(usual) } : usual));
  const inForce = () => core.issuer.inForce(ADA);
  const logged = () => core.logs.map((line) => (JSON.parse(line) as { msg: string }).msg);
  const refused = { granted: false, error: 'invalid_grant' };
  const overtaken = new Busy('this refresh took too long, and another request has overtaken it');

  it.each([
    ['no token', 'not a token'],
    ['a token of no user', 'token-of-no-user'],
  ])('by %s is refused, and nothing is asked upstream', async (_title, credential) => {
    const refresh = new Operation(() => replica.tryRefresh(credential));
    expect(await refresh.outcome).toEqual({ value: refused });
    expect(refresh.calls).not.toContain('issuer.grantRefresh');
  });

  it('by no token does not even ask the store', async () => {
    const refresh = new Operation(() => replica.tryRefresh('not a token'));
    await refresh.outcome;
    expect(refresh.calls).toEqual([]);
  });

  it('is remembered with where it came from, as far as that is told', async () => {
    const own = replica.issuances.of(undefined);
    const first = await replica.logIn.execute({ username: 'ada', password: 'x' }, own, {
      userAgent: 'Spec/1',
      address: '192.0.2.1',
    });
    core.pass(60.5);
    const credential = (first as { token: { accessToken: string } }).token.accessToken;
    await replica.refreshSession.execute(credential, own, { address: '192.0.2.2' });
    expect(await replica.sessions.entriesOf(ADA)).toMatchObject([
      { device: { userAgent: 'Spec/1', address: '192.0.2.2' }, usedAtSeconds: 1_800_000_060 },
    ]);
  });

  it.each([
    ['its last second', DAY_SECONDS + 3_599, true],
    ['the second after', DAY_SECONDS + 3_600, false],
  ])('takes an expired access token for a day: %s', async (_title, seconds, granted) => {
    const { accessToken } = await replica.loggedIn('ada');
    core.pass(seconds);
    expect(await replica.tryRefresh(accessToken)).toMatchObject({ granted });
    if (!granted) expect(inForce()).toEqual([]);
  });

  it.each([
    ['its last second', 14 * DAY_SECONDS - 1, true],
    ['the second after', 14 * DAY_SECONDS, false],
  ])(
    'of a client takes its refresh token for as long as it may be left: %s',
    async (_title, seconds, granted) => {
      const { refreshToken } = await replica.loggedIn('ada', PORTAL);
      core.pass(seconds);
      expect(await replica.tryRefresh(refreshToken!, PORTAL)).toMatchObject({ granted });
    },
  );

  it.each([
    ['its last second', 1, true],
    ['the second after', 0, false],
  ])('goes on for 90 days at the most: %s', async (_title, less, granted) => {
    core.issuer.lifeSeconds = 30 * DAY_SECONDS;
    let { accessToken } = await replica.loggedIn('ada');
    for (let day = 9; day < 90; day += 9) {
      core.pass(9 * DAY_SECONDS);
      ({ accessToken } = await replica.refreshed(accessToken));
    }
    core.pass(9 * DAY_SECONDS - less);
    expect(await replica.isActive(accessToken)).toBe(true);
    expect(await replica.tryRefresh(accessToken)).toMatchObject({ granted });
    expect(await replica.isActive(accessToken)).toBe(granted);
    if (!granted) expect(inForce()).toEqual([]);
  });

  describe('of a session that was revoked', () => {
    it('revokes its refresh token, and forgets it', async () => {
      const { accessToken } = await replica.loggedIn('ada');
      await replica.revokeSubject.execute(ADA);
      expect(await replica.tryRefresh(accessToken)).toEqual(refused);
      expect(inForce()).toEqual([]);
      expect(await replica.sessions.entriesOf(ADA)).toEqual([]);
    });

    it('leaves it where it is when upstream gives no answer, for the next', async () => {
      const { accessToken } = await replica.loggedIn('ada');
      await replica.revokeSubject.execute(ADA);
      jest.spyOn(core.issuer, 'revoke').mockRejectedValueOnce(new Error('no answer'));
      expect(await replica.tryRefresh(accessToken)).toEqual(refused);
      expect(logged()).toContain(
        'the refresh token of a session that was revoked is still in force upstream',
      );
      expect(inForce()).toHaveLength(1);
      expect(await replica.tryRefresh(accessToken)).toEqual(refused);
      expect(inForce()).toEqual([]);
    });

    it('while upstream was asked gives what was granted to no client', async () => {
      const { accessToken } = await replica.loggedIn('ada');
      const refresh = new Operation(() => replica.tryRefresh(accessToken), {
        at: 'issuer.grantRefresh',
        side: 'after',
      });
      await refresh.idle();
      await core.replicas[1].revokeSubject.execute(ADA);
      refresh.goOn();
      expect(await refresh.outcome).toEqual({ value: refused });
      expect(inForce()).toEqual([]);
      for (const token of core.issuer.accessTokensOf(ADA)) expect(await replica.isActive(token)).toBe(false);
    });
  });

  describe('whose lock was lost', () => {
    it('before upstream is asked, does not ask', async () => {
      const { accessToken } = await replica.loggedIn('ada');
      const refresh = new Operation(() => replica.tryRefresh(accessToken), {
        at: 'store.setIfAbsent',
        side: 'after',
      });
      await refresh.idle();
      core.outlastLocks();
      refresh.goOn();
      expect(await refresh.outcome).toEqual({ error: overtaken });
      expect(refresh.calls).not.toContain('issuer.grantRefresh');
      expect(await replica.tryRefresh(accessToken)).toMatchObject({ granted: true });
    });

    it('twice, keeps what it was granted until it is stored', async () => {
      const { accessToken } = await replica.loggedIn('ada');
      const refresh = new Operation(() => replica.tryRefresh(accessToken), {
        at: 'issuer.grantRefresh',
        side: 'after',
      });
      await refresh.idle();
      core.outlastLocks();
      refresh.goOn({ at: 'store.setIfAbsent', side: 'after' });
      await refresh.idle();
      expect(refresh.calls.at(-1)).toBe('store.setIfAbsent');
      core.outlastLocks();
      refresh.goOn();
      expect(await refresh.outcome).toEqual({ error: overtaken });
      const granted = core.issuer.accessTokensOf(ADA).at(-1);
      await until(async () => {
        const state = await replica.sessions.find(accessToken);
        return state?.kind === 'open' && state.session.unjudged?.accessToken === granted;
      }, 20_000);
      const next = await core.replicas[1].tryRefresh(accessToken);
      expect(next).toMatchObject({ granted: true, token: { accessToken: granted } });
      expect(core.issuer.askedAgain(ADA)).toEqual([]);
    });
  });

  it('two of which lose their locks twice keep what both were granted', async () => {
    core.issuer.leeway = true;
    const { accessToken } = await replica.loggedIn('ada');
    const refreshes: Operation<unknown>[] = [];
    while (refreshes.length < 2) {
      const refresh = new Operation(() => replica.tryRefresh(accessToken), {
        at: 'issuer.grantRefresh',
        side: 'after',
      });
      await refresh.idle();
      refreshes.push(refresh);
      core.outlastLocks();
    }
    for (const refresh of refreshes) {
      refresh.goOn({ at: 'store.setIfAbsent', side: 'after' });
      await refresh.idle();
      core.outlastLocks();
      refresh.goOn();
      expect(await refresh.outcome).toEqual({ error: overtaken });
    }
    expect(inForce()).toHaveLength(2);
    await until(async () => {
      const state = await replica.sessions.find(accessToken);
      return state?.kind === 'open' && refreshTokensOf(state.session).length === 2;
    }, 20_000);
    await replica.logOut.execute(accessToken);
    expect(inForce()).toEqual([]);
  });

  describe('that comes while another changes its session', () => {
    /** Stands between its first look at the session and its lock. */
    async function waiting(accessToken: string) {
      const refresh = new Operation(() => replica.tryRefresh(accessToken), {
        at: 'store.getMany',
        side: 'after',
      });
      await refresh.idle();
      return refresh;
    }

    it('is refused when that was a log-out', async () => {
      const { accessToken } = await replica.loggedIn('ada');
      const refresh = await waiting(accessToken);
      await replica.logOut.execute(accessToken);
      refresh.goOn();
      expect(await refresh.outcome).toEqual({ value: refused });
    });

    it('gets the answer of a refresh', async () => {
      const { accessToken } = await replica.loggedIn('ada');
      const refresh = await waiting(accessToken);
      const { accessToken: next } = await replica.refreshed(accessToken);
      refresh.goOn();
      expect(await refresh.outcome).toMatchObject({ value: { granted: true, token: { accessToken: next } } });
      expect(core.issuer.askedAgain(ADA)).toEqual([]);
    });
  });

  it('of a client that asks for more than its session has is refused, and the session goes on', async () => {
    const { refreshToken } = await replica.loggedIn('ada', { ...PORTAL, asked: ['read:venues'] });
    const wider = { ...PORTAL, asked: ['read:venues', 'write:venues'] };
    const refresh = new Operation(() => replica.tryRefresh(refreshToken!, wider));
    expect(await refresh.outcome).toEqual({ value: { granted: false, error: 'invalid_scope' } });
    expect(refresh.calls).toEqual(['store.getMany']);
    expect(await replica.tryRefresh(refreshToken!, PORTAL)).toMatchObject({
      granted: true,
      token: { scope: 'read:venues' },
    });
  });

  describe('whose new access token', () => {
    const expires = () =>
      grants(({ accessToken }) => {
        core.issuer.verdicts.set(accessToken, { active: false, reason: 'expired' });
        return {};
      });

    it('has expired, and the next one as well: 503, and the next refresh goes on', async () => {
      const { accessToken } = await replica.loggedIn('ada');
      expires();
      expires();
      await expect(replica.tryRefresh(accessToken)).rejects.toEqual(
        new UpstreamUnavailable(
          'the refreshed access token does not verify here (expired): compare the clocks',
          1,
        ),
      );
      expect(core.issuer.refreshTokens.size).toBe(3);
      core.issuer.verdicts.clear();
      expect(await replica.tryRefresh(accessToken)).toMatchObject({ granted: true });
    });

    it('was logged out by itself is not handed out: another one is asked for in the next second', async () => {
      const { accessToken: loggedOut } = await replica.loggedIn('ada');
      await replica.logOut.execute(loggedOut);
      const { accessToken } = await replica.loggedIn('ada');
      grants(() => ({ accessToken: loggedOut }));
      const { accessToken: next } = await replica.refreshed(accessToken);
      expect(next).not.toBe(loggedOut);
      expect(core.issuer.askedAgain(ADA)).toEqual([]);
      expect(await replica.isActive(loggedOut)).toBe(false);
    });
  });

  it('whose lock is lost before its answer is stored: 503, and the next goes on from what was granted', async () => {
    const { accessToken } = await replica.loggedIn('ada');
    const refresh = new Operation(() => replica.tryRefresh(accessToken), {
      at: 'tokenCheck.check',
      side: 'after',
    });
    await refresh.idle();
    core.outlastLocks();
    refresh.goOn();
    expect(await refresh.outcome).toEqual({ error: overtaken });
    const next = await core.replicas[1].tryRefresh(accessToken);
    expect(next).toMatchObject({ granted: true });
    expect(core.issuer.askedAgain(ADA)).toEqual([]);
  });

  it('that was given no new refresh token, and lost its lock, has nothing to keep', async () => {
    const { accessToken } = await replica.loggedIn('ada');
    const before = await replica.sessions.find(accessToken);
    core.issuer.leeway = true;
    grants(() => ({ refreshToken: undefined }));
    const refresh = new Operation(() => replica.tryRefresh(accessToken), {
      at: 'issuer.grantRefresh',
      side: 'after',
    });
    await refresh.idle();
    core.outlastLocks();
    refresh.goOn();
    expect(await refresh.outcome).toEqual({ error: overtaken });
    expect(await replica.sessions.find(accessToken)).toEqual(before);
  });

  describe('whose grant the store does not take', () => {
    async function granted(): Promise<string> {
      const { accessToken } = await replica.loggedIn('ada');
      core.refuseNext('writeAllIfEqual', 3);
      await expect(replica.tryRefresh(accessToken)).rejects.toMatchObject({ code: 'store_unavailable' });
      return accessToken;
    }

    it('tries to store it until the store takes it', async () => {
      const accessToken = await granted();
      await until(async () => {
        const state = await replica.sessions.find(accessToken);
        return state?.kind === 'open' && state.session.unjudged !== undefined;
      }, 20_000);
      expect(await core.replicas[1].tryRefresh(accessToken)).toMatchObject({ granted: true });
      expect(core.issuer.askedAgain(ADA)).toEqual([]);
    });

    it('is not taken for that of another session meanwhile', async () => {
      const another = await replica.loggedIn('ada');
      const accessToken = await granted();
      // One of those that the store refuses.
      await expect(replica.tryRefresh(accessToken)).rejects.toMatchObject({ code: 'store_unavailable' });
      core.refuseNext('writeAllIfEqual', 0);
      expect(await replica.tryRefresh(another.accessToken)).toMatchObject({ granted: true });
      expect(core.issuer.askedAgain(ADA)).toEqual([]);
    });

    it('gives it up after ten minutes, and says so', async () => {
      await granted();
      const nowMs = performance.now.bind(performance);
      const now = jest.spyOn(performance, 'now').mockImplementation(() => nowMs() + 600_000);
      await until(
        () => logged().includes('what a session was granted could not be stored, and is lost'),
        20_000,
      );
      now.mockRestore();
    });
  });

  it('whose new access token is too long for a request ends the session', async () => {
    const { accessToken } = await replica.loggedIn('ada');
    const tooLong = 'x'.repeat(MAX_TOKEN_LENGTH + 1);
    grants(({ accessToken: usual }) => {
      const { principal } = core.issuer.accessTokens.get(usual)!;
      core.issuer.verdicts.set(tooLong, { active: true, principal });
      return { accessToken: tooLong };
    });
    expect(await replica.tryRefresh(accessToken)).toEqual(refused);
    expect(inForce()).toEqual([]);
    expect(await replica.isActive(accessToken)).toBe(false);
    expect(logged()).toContainEqual(expect.stringMatching(/has 12289 characters.*: its session is ended$/));
  });

  it('of a client that may have nothing any more ends the session', async () => {
    const { refreshToken, accessToken } = await replica.loggedIn('ada', PORTAL);
    expect(await replica.tryRefresh(refreshToken!, { ...PORTAL, allowed: ['admin'] })).toEqual(refused);
    expect(await replica.isActive(accessToken)).toBe(false);
    expect(inForce()).toEqual([]);
  });

  it('where upstream gives no new refresh token goes on with the one there is', async () => {
    core.issuer.leeway = true;
    const { accessToken } = await replica.loggedIn('ada');
    const [kept] = inForce();
    grants(() => ({ refreshToken: undefined }));
    const second = await replica.refreshed(accessToken);
    const state = await replica.sessions.find(second.accessToken);
    expect(state).toMatchObject({ kind: 'open', session: { refreshToken: kept } });
  });

  it('more than 64 times within the life of its access tokens ends the oldest', async () => {
    const tokens = [(await replica.loggedIn('ada')).accessToken];
    while (tokens.length < 64) tokens.push((await replica.refreshed(tokens.at(-1)!)).accessToken);
    expect(await replica.isActive(tokens[0]!)).toBe(true);
    for (let i = 0; i < 2; i += 1) tokens.push((await replica.refreshed(tokens.at(-1)!)).accessToken);
    const active = await Promise.all(tokens.map((token) => replica.isActive(token)));
    expect(active.indexOf(true)).toBe(2);
    expect(active.lastIndexOf(false)).toBe(1);
    await replica.logOut.execute(tokens.at(-1)!);
    for (const token of tokens) expect(await replica.isActive(token)).toBe(false);
  });

  it('forgets access tokens that have expired, and ends none for it', async () => {
    const first = await replica.loggedIn('ada');
    core.pass(3_600);
    const second = await replica.refreshed(first.accessToken);
    const [entry] = await replica.sessions.entriesOf(ADA);
    expect(entry!.accessTokens).toHaveLength(1);
    expect(await replica.isActive(second.accessToken)).toBe(true);
  });
});
