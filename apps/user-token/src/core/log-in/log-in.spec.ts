import { jest } from '@jest/globals';
import type { ListedSession } from '@app/contract';
import { ScriptedIssuer, type ScriptedAnswer } from '@app/test-support/issuer/scripted-issuer';
import { UseCases } from '@app/test-support/suite/use-cases';
import { Busy } from '../busy.js';
import { MAX_SESSIONS } from '../sessions/sessions.js';

describe('LogIn', () => {
  let issuer: ScriptedIssuer;
  let core: UseCases;

  beforeAll(async () => {
    issuer = await ScriptedIssuer.start();
  });

  afterAll(() => issuer.stop());

  beforeEach(async () => {
    issuer.asked.length = 0;
    issuer.revoked.length = 0;
    issuer.answers(() => issuer.grant());
    core = await UseCases.open(issuer);
  });

  afterEach(async () => {
    jest.restoreAllMocks();
    await core.close();
  });

  async function loggedIn(count: number): Promise<string[]> {
    const tokens: string[] = [];
    while (tokens.length < count) {
      tokens.push((await core.loggedIn()).accessToken);
      // Of two within one millisecond neither is the older one.
      later(2);
    }
    return tokens;
  }
  async function listed(token: string): Promise<readonly ListedSession[]> {
    const list = await core.userSessions.list(token);
    return list.listed ? list.sessions : [];
  }
  async function activeOf(tokens: readonly string[]): Promise<string[]> {
    const active = await Promise.all(tokens.map((token) => core.isActive(token)));
    return tokens.filter((_, index) => active[index]);
  }
  let movedMs = 0;
  function later(ms: number): void {
    jest.restoreAllMocks();
    const nowMs = Date.now.bind(Date);
    movedMs += ms;
    const by = movedMs;
    jest.spyOn(Date, 'now').mockImplementation(() => nowMs() + by);
  }

  describe(`of a user who has ${MAX_SESSIONS} sessions`, () => {
    beforeEach(() => {
      movedMs = 0;
    });

    it('ends those that were used last longest ago, so that all that live are listed', async () => {
      const tokens = await loggedIn(MAX_SESSIONS);
      later(2_000);
      const first = (await core.refreshed(tokens[0]!)).accessToken;
      later(2_000);
      const more = await loggedIn(3);
      expect(await activeOf(tokens)).toEqual([tokens[0], ...tokens.slice(4)]);
      expect(await activeOf([first, ...more])).toEqual([first, ...more]);
      for (const token of tokens.slice(1, 4))
        expect(await core.tryRefresh(token)).toMatchObject({ granted: false });
      expect(await listed(more[2]!)).toHaveLength(MAX_SESSIONS);
    });

    it('of registered clients, too', async () => {
      const client = { clientId: 'portal', allowed: ['read:venues'] };
      const pair = await core.loggedIn(client);
      later(2_000);
      const tokens = await loggedIn(MAX_SESSIONS);
      expect(await core.isActive(pair.accessToken)).toBe(false);
      expect(await core.tryRefresh(pair.refreshToken!, client)).toMatchObject({ granted: false });
      expect(await activeOf(tokens)).toEqual(tokens);
    });

    it('leaves as many, and all of them listed, when many log in at once', async () => {
      const tokens = await loggedIn(MAX_SESSIONS - 4);
      later(2_000);
      const more = (await Promise.all(Array.from({ length: 12 }, () => core.loggedIn()))).map(
        ({ accessToken }) => accessToken,
      );
      expect(await activeOf(more)).toEqual(more);
      expect(await activeOf(tokens)).toEqual(tokens.slice(8));
      expect(await listed(more[0]!)).toHaveLength(MAX_SESSIONS);
    });

    it('fails when the oldest cannot be ended, and then all is as before', async () => {
      const tokens = await loggedIn(MAX_SESSIONS);
      later(2_000);
      // The first is that of the session begun.
      const makeRoom = core.fillStore((ordinal) => ordinal === 2);
      await expect(core.tryLogIn()).rejects.toMatchObject({ code: 'store_unavailable' });
      makeRoom();
      expect(await activeOf(tokens)).toEqual(tokens);
      expect(await listed(tokens[0]!)).toHaveLength(MAX_SESSIONS);
      expect(issuer.revoked).toHaveLength(1);
    });
  });

  describe('as an attempt', () => {
    const limited = { settings: { LOGIN_ATTEMPTS_PER_ACCOUNT: '10' } };
    const wrong: ScriptedAnswer = { status: 403, body: { error: 'invalid_grant' } };
    const refused = { granted: false, error: 'invalid_grant' };

    beforeEach(async () => {
      await core.close();
      core = await UseCases.open(issuer, limited);
    });

    it('waits for others that are undecided, or comes again in a moment: with the right password it costs no user minutes', async () => {
      const results = await Promise.all(Array.from({ length: 11 }, () => core.tryLogIn()));
      // A busy machine may take longer than others wait.
      const soon = { granted: false, error: 'too_many_attempts', retryAfterSeconds: 2 };
      for (const result of results) if (!result.granted) expect(result).toEqual(soon);
      expect(results.filter(({ granted }) => granted).length).toBeGreaterThanOrEqual(10);
      expect(await core.tryLogIn()).toMatchObject({ granted: true });
    });

    it('is one of ten at the most that reach Auth0 wrong, over two user-tokens and however many at once', async () => {
      const other = await UseCases.open(issuer, { ...limited, store: core.store });
      issuer.answers(wrong);
      const results = await Promise.all(
        Array.from({ length: 150 }, (_, i) => [core, other][i % 2]!.tryLogIn()),
      );
      expect(results.filter((result) => 'error' in result && result.error === 'invalid_grant')).toHaveLength(
        10,
      );
      expect(issuer.asked).toHaveLength(10);
      issuer.answers(() => issuer.grant());
      expect(await core.tryLogIn()).toMatchObject({ granted: false, error: 'too_many_attempts' });
      await other.close();
    });

    it.each<[string, ScriptedAnswer, boolean]>([
      [
        'that an Action or a database script denies is neither a wrong password nor a right one',
        { status: 403, body: { error: 'access_denied', error_description: 'ENOTFOUND users.example' } },
        false,
      ],
      [
        'that asks for a second factor is one with the right password',
        { status: 403, body: { error: 'mfa_required', mfa_token: 'Fe26.x' } },
        true,
      ],
      ['that Auth0 could not judge is neither', { status: 503, body: 'down' }, false],
    ])('%s', async (_title, answer, forgets) => {
      issuer.answers(wrong);
      for (let i = 0; i < 9; i += 1) expect(await core.tryLogIn()).toEqual(refused);
      issuer.answers(answer);
      for (let i = 0; i < 20; i += 1) await core.tryLogIn().catch(() => undefined);
      expect(issuer.asked).toHaveLength(29);
      issuer.answers(wrong);
      expect(await core.tryLogIn()).toEqual(refused);
      const error = forgets ? 'invalid_grant' : 'too_many_attempts';
      expect(await core.tryLogIn()).toMatchObject({ granted: false, error });
    });

    it.each(['password_leaked', 'requires_verification', 'too_many_attempts', 'brand_new'])(
      'that is refused as %s counts: it proves nothing of the password',
      async (error) => {
        issuer.answers({ status: 401, body: { error } });
        for (let i = 0; i < 10; i += 1) await core.tryLogIn();
        issuer.answers(() => issuer.grant());
        expect(await core.tryLogIn()).toMatchObject({ retryAfterSeconds: expect.any(Number) });
        expect(issuer.asked).toHaveLength(10);
      },
    );

    it('that cannot be counted is not answered', async () => {
      issuer.answers(wrong);
      const { store } = core;
      const giveUpAll = store.giveUpAll.bind(store);
      store.giveUpAll = () => Promise.reject(new Error('the store is full'));
      await expect(core.tryLogIn()).rejects.toThrow('the store is full');
      store.giveUpAll = giveUpAll;
      expect(await core.tryLogIn()).toEqual(refused);
    });

    it.each<[string, () => Promise<ScriptedAnswer>, number]>([
      ['right', () => issuer.grant(), 1],
      ['wrong', async () => wrong, 0],
    ])(
      'of a process that stood still meanwhile does not tell that the password was %s',
      async (_title, answer, revoked) => {
        const nowMs = performance.now.bind(performance);
        issuer.answers(async () => {
          jest.spyOn(performance, 'now').mockImplementation(() => nowMs() + 60_000);
          return answer();
        });
        await expect(core.tryLogIn()).rejects.toThrow(Busy);
        expect(issuer.revoked).toHaveLength(revoked);
      },
    );
  });

  describe('that is granted an access token too long for a request', () => {
    const portal = { clientId: 'portal', allowed: ['read:venues'] };
    beforeEach(() => {
      const permissions = Array.from({ length: 400 }, (_, i) => `permission:${i}:`.padEnd(34, 'x'));
      issuer.answers(() => issuer.grant({ permissions: ['read:venues', ...permissions] }));
    });

    it('503 where it is what a front end of our own would get, and it is given back', async () => {
      await expect(core.tryLogIn()).rejects.toMatchObject({
        retryAfterSeconds: 60,
        message: expect.stringMatching(/has \d{5} characters, and services take 12288 at the most/),
      });
      expect(issuer.revoked).toHaveLength(1);
    });

    it('is like any other to a registered client, which gets a pair of ours; so is its refresh', async () => {
      const first = await core.loggedIn(portal);
      expect(await core.isActive(first.accessToken)).toBe(true);
      const second = await core.refreshed(first.refreshToken!, portal);
      expect(await core.isActive(second.accessToken)).toBe(true);
      expect(issuer.revoked).toEqual([]);
    });
  });

  describe('that is given the access token of another session', () => {
    /** As Auth0 does within a second. */
    async function givesTwice(times: number): Promise<string> {
      const reply = await issuer.grant();
      const { access_token: accessToken } = reply.body as { access_token: string };
      let given = 0;
      issuer.answers(async () => {
        const next = await issuer.grant();
        given += 1;
        return given > times
          ? next
          : { ...next, body: { ...(next.body as object), access_token: accessToken } };
      });
      return accessToken;
    }

    it('asks again in the next second: the two sessions have nothing in common', async () => {
      const shared = await givesTwice(2);
      const [one, other] = await Promise.all([core.loggedIn(), core.loggedIn()]);
      const [first, second] = one.accessToken === shared ? [one, other] : [other, one];
      expect(first.accessToken).toBe(shared);
      expect(second.accessToken).not.toBe(shared);
      // The refresh token beside the useless access token has no owner.
      expect(issuer.revoked).toHaveLength(1);
      expect(await listed(shared)).toHaveLength(2);
      expect(await core.logOut.execute(shared)).toEqual({ ended: true });
      expect(await core.isActive(second.accessToken)).toBe(true);
      expect(await core.tryRefresh(second.accessToken)).toMatchObject({ granted: true });
    });

    it.each(['is open', 'was refreshed since'])(
      '503 when it gets it again, and the other session, which %s, stays',
      async (how) => {
        const shared = await givesTwice(1);
        await core.loggedIn();
        const current = how === 'is open' ? shared : (await core.refreshed(shared)).accessToken;
        issuer.answers(async () => {
          const next = await issuer.grant();
          return { ...next, body: { ...(next.body as object), access_token: shared } };
        });
        await expect(core.tryLogIn()).rejects.toMatchObject({ retryAfterSeconds: 1 });
        expect(issuer.revoked).toHaveLength(3);
        issuer.answers(() => issuer.grant());
        expect(await core.tryRefresh(current)).toMatchObject({ granted: true });
      },
    );

    it('does not bring back what was revoked with all of the user', async () => {
      const shared = await givesTwice(3);
      await core.loggedIn();
      await core.revokeSubject.execute('auth0|ada');
      const { accessToken } = await core.loggedIn();
      expect(accessToken).not.toBe(shared);
      expect(await core.isActive(accessToken)).toBe(true);
      expect(await core.isActive(shared)).toBe(false);
    });
  });
});
