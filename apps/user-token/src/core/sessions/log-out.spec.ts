import { setTimeout as delay } from 'node:timers/promises';
import { jest } from '@jest/globals';
import { ScriptedIssuer } from '@app/test-support/issuer/scripted-issuer';
import { UseCases } from '@app/test-support/suite/use-cases';
import { until } from '@app/test-support/timing/until';

const DAY_SECONDS = 24 * 3600;
const WEEK_SECONDS = 7 * DAY_SECONDS;
const portal = { clientId: 'portal', allowed: ['read:venues', 'write:venues'] };

describe('LogOut', () => {
  let issuer: ScriptedIssuer;
  let core: UseCases;

  beforeAll(async () => {
    issuer = await ScriptedIssuer.start();
  });

  afterAll(() => issuer.stop());

  beforeEach(async () => {
    issuer.asked.length = 0;
    issuer.revoked.length = 0;
    grantsFor(WEEK_SECONDS);
    core = await UseCases.open(issuer);
  });

  afterEach(async () => {
    jest.restoreAllMocks();
    await core.close();
  });

  /** Tokens as long as Auth0 has them live, so that nothing but the suite ends them. */
  function grantsFor(seconds: number): void {
    issuer.answers(() => issuer.grant({ exp: Math.floor(Date.now() / 1000) + seconds }));
  }
  function later(seconds: number): void {
    const nowMs = Date.now.bind(Date);
    jest.spyOn(Date, 'now').mockImplementation(() => nowMs() + seconds * 1000);
  }
  async function chainOf(refreshes: number): Promise<string[]> {
    const tokens = [(await core.loggedIn()).accessToken];
    while (tokens.length <= refreshes) tokens.push((await core.refreshed(tokens.at(-1)!)).accessToken);
    return tokens;
  }
  async function expectAllOver(tokens: readonly string[]): Promise<void> {
    for (const token of tokens) {
      expect(await core.isActive(token)).toBe(false);
      expect(await core.tryRefresh(token)).toMatchObject({ granted: false });
    }
  }

  describe('by a token that was refreshed since', () => {
    it.each([
      [0, 1, 0],
      [0, 1, 2 * DAY_SECONDS],
      [0, 3, 6 * DAY_SECONDS],
      [1, 3, 2 * DAY_SECONDS],
      [2, 3, 0],
      [3, 3, 2 * DAY_SECONDS],
    ])(
      'number %i of 0 to %i ends the session with all that it has, %i s later',
      async (used, last, seconds) => {
        const tokens = await chainOf(last);
        later(seconds);
        expect(await core.isActive(tokens[used]!)).toBe(true);
        expect(await core.logOut.execute(tokens[used]!)).toEqual({ ended: true });
        // Upstream too: the refresh token that the session had last.
        expect(issuer.revoked).toHaveLength(1);
        await expectAllOver(tokens);
      },
    );

    it.each([0, 2 * DAY_SECONDS])(
      'so does its user who ends the session that it belongs to, %i s later',
      async (seconds) => {
        const tokens = await chainOf(2);
        later(seconds);
        const list = await core.userSessions.list(tokens[0]!);
        expect(list).toMatchObject({ listed: true, sessions: [{ current: true }] });
        const [{ id }] = (list as { sessions: { id: string }[] }).sessions as [{ id: string }];
        expect(await core.userSessions.end(tokens[0]!, id)).toEqual({ ended: true });
        expect(issuer.revoked).toHaveLength(1);
        await expectAllOver(tokens);
      },
    );

    it.each([
      ['its own link', 0],
      ['one on the way', 1],
    ])('ends it though the store has lost %s', async (_title, lost) => {
      const tokens = await chainOf(3);
      await core.forget(tokens[lost]!);
      expect(await core.logOut.execute(tokens[0]!)).toEqual({ ended: true });
      await expectAllOver(tokens);
    });

    it('ends access that outlives the time in which the session could be refreshed', async () => {
      await core.close();
      core = await UseCases.open(issuer, { settings: { SESSION_IDLE_SECONDS: '60' } });
      const tokens = await chainOf(2);
      later(3_600);
      expect(await core.isActive(tokens[2]!)).toBe(true);
      expect(await core.logOut.execute(tokens[0]!)).toEqual({ ended: true });
      await expectAllOver(tokens);
    });

    it('has nothing left to end once it was too late to refresh the session: it has ended with all that it had', async () => {
      await core.close();
      core = await UseCases.open(issuer, { settings: { SESSION_IDLE_SECONDS: '60' } });
      const tokens = await chainOf(2);
      later(3_600);
      expect(await core.tryRefresh(tokens[2]!)).toEqual({ granted: false, error: 'invalid_grant' });
      await expectAllOver(tokens);
      expect(issuer.revoked).toHaveLength(1);
    });

    it('is no reuse after REFRESH_REUSE_DETECTION_SECONDS: it refreshes nothing, and ends nothing', async () => {
      const tokens = await chainOf(1);
      later(DAY_SECONDS + 60);
      expect(await core.tryRefresh(tokens[0]!)).toEqual({ granted: false, error: 'invalid_grant' });
      expect(await core.tryRefresh(tokens[1]!)).toMatchObject({ granted: true });
    });
  });

  describe('while a refresh is under way', () => {
    it.each(['the refresh', 'the log-out'])(
      'ends what comes of it, whether Auth0 answers %s first',
      async (first) => {
        const token = (await core.loggedIn()).accessToken;
        let answer = () => {};
        const held = new Promise<void>((resolve) => (answer = resolve));
        issuer.answers(async () => {
          await held;
          return issuer.grant();
        });
        const refresh = core.tryRefresh(token);
        await until(() => issuer.asked.length === 2);
        const logOut = core.logOut.execute(token);
        if (first === 'the log-out') await until(async () => !(await core.isActive(token)));
        answer();
        expect(await logOut).toEqual({ ended: true });
        const result = await refresh;
        await expectAllOver([token, ...(result.granted ? [result.token.accessToken] : [])]);
        expect(issuer.revoked).toHaveLength(1);
      },
    );
  });

  describe('of a registered client', () => {
    it.each([
      ['its first refresh token', 0, 'refreshToken'],
      ['its first access token', 0, 'accessToken'],
      ['its second refresh token', 1, 'refreshToken'],
      ['its second access token', 1, 'accessToken'],
    ] as const)(
      'by %s ends the session with the pair that it has now, however late',
      async (_title, used, kind) => {
        const pairs = [await core.loggedIn(portal)];
        while (pairs.length < 3) pairs.push(await core.refreshed(pairs.at(-1)!.refreshToken!, portal));
        later(2 * DAY_SECONDS);
        expect(await core.issuedTokens.revoke(pairs[used]![kind]!, 'portal')).toEqual({ outcome: 'revoked' });
        for (const pair of pairs) {
          expect(await core.isActive(pair.accessToken)).toBe(false);
          expect(await core.tryRefresh(pair.refreshToken!, portal)).toMatchObject({ granted: false });
        }
      },
    );

    it.each([0, 1])('by access token %i at the log-out of our own front ends ends it too', async (used) => {
      const first = await core.loggedIn(portal);
      const pairs = [first, await core.refreshed(first.refreshToken!, portal)];
      expect(await core.logOut.execute(pairs[used]!.accessToken)).toEqual({ ended: true });
      for (const pair of pairs) {
        expect(await core.isActive(pair.accessToken)).toBe(false);
        expect(await core.tryRefresh(pair.refreshToken!, portal)).toMatchObject({ granted: false });
      }
    });
  });

  it('of another session holds when the store brings that session back, for as long as it could be refreshed', async () => {
    grantsFor(3_600);
    const lost = await core.loggedIn();
    const kept = await core.loggedIn();
    const before: { key: string; value: string }[] = [];
    for await (const entry of core.store.scan('session')) before.push(entry);
    const list = await core.userSessions.list(kept.accessToken);
    const { sessions } = list as { sessions: { id: string; current: boolean }[] };
    const { id } = sessions.find(({ current }) => !current)!;
    expect(await core.userSessions.end(kept.accessToken, id)).toEqual({ ended: true });
    for (const { key, value } of before) await core.store.set(key, value, { ttlMs: WEEK_SECONDS * 1000 });
    issuer.asked.length = 0;
    later(2 * DAY_SECONDS);
    // What has ended is forgotten a second later.
    await delay(1_500);
    expect(await core.tryRefresh(lost.accessToken)).toMatchObject({ granted: false });
    expect(issuer.asked).toHaveLength(0);
  });

  it('by a token that has no session here ends that token alone', async () => {
    const session = await core.loggedIn();
    const { access_token: elsewhere } = (await issuer.grant()).body as { access_token: string };
    expect(await core.logOut.execute(elsewhere)).toEqual({ ended: true });
    expect(await core.isActive(elsewhere)).toBe(false);
    expect(await core.isActive(session.accessToken)).toBe(true);
  });

  it('by a refused token ends nothing, and the log has the fault', async () => {
    const { access_token: foreign } = (await issuer.grant({ aud: 'https://other.test/' })).body as {
      access_token: string;
    };
    expect(await core.logOut.execute(foreign)).toEqual({ ended: false, reason: 'wrong_audience' });
    const lines = core.logs.filter((line) => line.includes('an access token was refused: wrong_audience'));
    expect(lines).toEqual([expect.stringContaining('https://other.test/')]);
  });
});

describe("a user's sessions", () => {
  let issuer: ScriptedIssuer;
  let core: UseCases;

  beforeAll(async () => {
    issuer = await ScriptedIssuer.start();
    core = await UseCases.open(issuer);
  });

  afterAll(async () => {
    await core.close();
    await issuer.stop();
  });

  beforeEach(() => issuer.answers(() => issuer.grant()));

  it.each<[string, Record<string, unknown>]>([
    ['another client of the tenant got for our API', { azp: 'another' }],
    ['another client got, as RFC 9068 spells it', { azp: undefined, client_id: 'another' }],
    ['says nothing of its client', { azp: undefined }],
  ])('are not for a token that %s to see or to end', async (_title, claims) => {
    const { accessToken: own } = await core.loggedIn();
    const { access_token: foreign } = (await issuer.grant(claims)).body as { access_token: string };
    expect(await core.isActive(foreign)).toBe(true);
    const list = await core.userSessions.list(own);
    const [{ id }] = (list as { sessions: { id: string }[] }).sessions as [{ id: string }];
    const refused = { ended: false, reason: 'not_permitted' };
    expect(await core.userSessions.list(foreign)).toEqual({ listed: false, reason: 'not_permitted' });
    expect(await core.userSessions.end(foreign, id)).toEqual(refused);
    expect(await core.revokeSubject.executeFor(foreign)).toEqual(refused);
    expect(await core.isActive(own)).toBe(true);
    // It may end itself.
    expect(await core.logOut.execute(foreign)).toEqual({ ended: true });
    expect(await core.isActive(own)).toBe(true);
  });

  it.each<[string, Record<string, unknown>]>([
    ['has a session here, whatever it says of its client', { azp: undefined }],
    ['our own client got', {}],
  ])('are for a token that %s', async (_title, claims) => {
    issuer.answers(() => issuer.grant({ sub: 'auth0|grace', ...claims }));
    const first = (await core.loggedIn()).accessToken;
    const second = (await core.refreshed(first)).accessToken;
    for (const token of [first, second])
      expect(await core.userSessions.list(token)).toMatchObject({ listed: true });
    expect(await core.revokeSubject.executeFor(first)).toEqual({ ended: true });
    for (const token of [first, second]) expect(await core.isActive(token)).toBe(false);
  });

  it('are for one of our own client that has no session here', async () => {
    const { accessToken } = await core.loggedIn();
    const { access_token: bare } = (await issuer.grant()).body as { access_token: string };
    expect(await core.userSessions.list(bare)).toMatchObject({ listed: true });
    expect(await core.isActive(accessToken)).toBe(true);
  });
});
