import { jest } from '@jest/globals';
import type { GrantResult } from '@app/contract';
import { newKey, type TestKey } from '@app/test-support/issuer/mint-token';
import { ScriptedIssuer, type ScriptedAnswer } from '@app/test-support/issuer/scripted-issuer';
import { UseCases } from '@app/test-support/suite/use-cases';
import { until } from '@app/test-support/timing/until';
import { UpstreamUnavailable } from '../authorization-server.js';
import { Busy } from '../busy.js';

const OUTAGE: ScriptedAnswer = { status: 503, body: {} };

interface Pair {
  readonly access_token: string;
  readonly refresh_token: string;
}

describe('RefreshSession', () => {
  let issuer: ScriptedIssuer;
  let key: TestKey;
  let core: UseCases;
  let granted: Pair[];

  beforeAll(async () => {
    [issuer, key] = await Promise.all([ScriptedIssuer.start(), newKey('next-key')]);
  });

  afterAll(() => issuer.stop());

  beforeEach(async () => {
    issuer.asked.length = 0;
    issuer.revoked.length = 0;
    issuer.publishes([]);
    granted = [];
    grants(() => issuer.grant());
    core = await UseCases.open(issuer);
  });

  afterEach(async () => {
    jest.restoreAllMocks();
    await core.close();
  });

  /** Rotation without leeway: a refresh token is good once. */
  function grants(grant: () => Promise<ScriptedAnswer>): void {
    issuer.answers(async (form) => {
      const used = form.get('refresh_token');
      const isSpent = used !== null && used !== granted.at(-1)?.refresh_token;
      if (isSpent) return { status: 403, body: { error: 'invalid_grant' } };
      const answer = await grant();
      granted.push(answer.body as Pair);
      return answer;
    });
  }
  function later(seconds: number): void {
    const nowMs = Date.now.bind(Date);
    jest.spyOn(Date, 'now').mockImplementation(() => nowMs() + seconds * 1000);
  }
  const refreshes = () => issuer.asked.filter((form) => form.get('grant_type') === 'refresh_token');
  const nowSeconds = () => Math.floor(Date.now() / 1000);
  const tokenOf = (result: GrantResult | undefined) =>
    result?.granted ? result.token.accessToken : undefined;

  /** What a front end does with a 503. */
  async function retried(token: string, by = core): Promise<GrantResult> {
    let result: GrantResult | undefined;
    await until(async () => {
      result = await by.tryRefresh(token).catch((error: unknown) => {
        if (!(error instanceof UpstreamUnavailable || error instanceof Busy)) throw error;
        return undefined;
      });
      return result !== undefined;
    }, 20_000);
    return result!;
  }

  describe('whose new access token cannot be verified yet', () => {
    const causes: [string, () => void, () => void][] = [
      [
        'the keys have changed and cannot be fetched',
        () => {
          issuer.publishes(OUTAGE);
          grants(() => issuer.grant({}, key));
        },
        () => issuer.publishes([key]),
      ],
      [
        'its key is not published yet',
        () => grants(() => issuer.grant({}, key)),
        () => issuer.publishes([key]),
      ],
      [
        'our clock is behind',
        () => {
          const atIssuer = nowSeconds() + 60;
          grants(() => issuer.grant({ iat: atIssuer, exp: atIssuer + 3600 }));
        },
        () => later(61),
      ],
      [
        'it is for another API until the settings are put right',
        () => {
          let audience = 'https://other.example/';
          grants(() => issuer.grant({ aud: [audience], exp: nowSeconds() + 60 }));
          wrongAudience = () => (audience = 'https://api.venue.example/');
        },
        () => {
          wrongAudience();
          later(61);
        },
      ],
    ];
    let wrongAudience = () => {};

    it.each(causes)(
      'because %s: 503, and the retry goes on from what was granted',
      async (_title, begin, end) => {
        const { accessToken: first } = await core.loggedIn();
        begin();
        for (let i = 0; i < 3; i += 1)
          await expect(core.tryRefresh(first)).rejects.toThrow(UpstreamUnavailable);
        expect(refreshes()).toHaveLength(1);
        end();
        const second = tokenOf(await retried(first));
        expect(second).toBe(granted.at(-1)!.access_token);
        expect(tokenOf(await core.tryRefresh(second!))).toEqual(expect.any(String));
      },
    );

    it.each(causes.slice(0, 3))(
      'because %s: on another replica, Auth0 is not asked again',
      async (_title, begin, end) => {
        const { accessToken: first } = await core.loggedIn();
        begin();
        await expect(core.tryRefresh(first)).rejects.toThrow(UpstreamUnavailable);
        end();
        const other = await UseCases.open(issuer, { store: core.store });
        expect(tokenOf(await retried(first, other))).toBe(granted[1]!.access_token);
        expect(refreshes()).toHaveLength(1);
        await other.close();
      },
    );

    it.each(causes)('because %s: a log-out meanwhile ends it, upstream too', async (_title, begin, end) => {
      const { accessToken: first } = await core.loggedIn();
      begin();
      await expect(core.tryRefresh(first)).rejects.toThrow(UpstreamUnavailable);
      expect(await core.logOut.execute(first)).toEqual({ ended: true });
      expect(issuer.revoked).toEqual([granted[1]!.refresh_token]);
      end();
      expect(await core.tryRefresh(first)).toMatchObject({ granted: false });
      expect(refreshes()).toHaveLength(1);
    });

    it('says what is left of its life when it can be handed out, not the whole', async () => {
      const { accessToken: first } = await core.loggedIn();
      const atIssuer = nowSeconds() + 60;
      grants(() => issuer.grant({ iat: atIssuer, exp: atIssuer + 3540 }));
      await expect(core.tryRefresh(first)).rejects.toThrow(UpstreamUnavailable);
      later(1_000);
      const result = await core.tryRefresh(first);
      expect(result).toMatchObject({ granted: true });
      const { expiresInSeconds } = (result as Extract<GrantResult, { granted: true }>).token;
      expect(expiresInSeconds).toBeLessThanOrEqual(2_600);
      expect(expiresInSeconds).toBeGreaterThan(2_500);
    });

    it('and has expired when it could be: the refresh token that came with it goes on', async () => {
      const { accessToken: first } = await core.loggedIn();
      const atIssuer = nowSeconds() + 60;
      grants(() => issuer.grant({ iat: atIssuer, exp: atIssuer + 60 }));
      await expect(core.tryRefresh(first)).rejects.toThrow(UpstreamUnavailable);
      later(200);
      grants(() => issuer.grant());
      expect(tokenOf(await core.tryRefresh(first))).toBe(granted[2]!.access_token);
      expect(refreshes().map((form) => form.get('refresh_token'))).toEqual([
        granted[0]!.refresh_token,
        granted[1]!.refresh_token,
      ]);
    });

    it('for a client: the retry goes on too, with the scope that it asks for', async () => {
      const portal = { clientId: 'portal', allowed: ['read:venues', 'write:venues'] };
      const first = await core.loggedIn(portal);
      issuer.publishes(OUTAGE);
      grants(() => issuer.grant({}, key));
      await expect(core.tryRefresh(first.refreshToken!, portal)).rejects.toThrow(UpstreamUnavailable);
      issuer.publishes([key]);
      const narrow = { ...portal, asked: ['read:venues'] };
      await until(async () => {
        const result = await core.tryRefresh(first.refreshToken!, narrow).catch(() => undefined);
        return result?.granted === true && result.token.scope === 'read:venues';
      }, 20_000);
      expect(refreshes()).toHaveLength(1);
    });
  });

  it('right after a log-in that came right after all of the user was revoked gives a token that is in force', async () => {
    await core.loggedIn();
    await core.revokeSubject.execute('auth0|ada');
    let { accessToken } = await core.loggedIn();
    for (let i = 0; i < 3; i += 1) {
      ({ accessToken } = await core.refreshed(accessToken));
      expect(await core.isActive(accessToken)).toBe(true);
    }
    await core.revokeSubject.execute('auth0|ada');
    expect(await core.isActive(accessToken)).toBe(false);
    expect(await core.tryRefresh(accessToken)).toMatchObject({ granted: false });
    expect(issuer.revoked).toContain(granted.at(-1)!.refresh_token);
  });

  describe('whose new access token is bad for good', () => {
    it.each<[string, () => Promise<ScriptedAnswer>]>([
      ['for another subject', () => issuer.grant({ sub: 'auth0|grace' })],
      ['for a subject that could not be revoked', () => issuer.grant({ sub: 'x'.repeat(300) })],
      ['bound to a key', () => issuer.grant({ cnf: { jkt: 'x' } })],
      ['signed by another under a known key id', async () => issuer.grant({}, await newKey('test-key'))],
    ])('because it is %s ends the session, upstream too', async (_title, grant) => {
      const { accessToken: first } = await core.loggedIn();
      grants(grant);
      expect(await core.tryRefresh(first)).toEqual({ granted: false, error: 'invalid_grant' });
      expect(issuer.revoked).toEqual([granted[1]!.refresh_token]);
      expect(await core.isActive(first)).toBe(false);
      expect(await core.tryRefresh(first)).toMatchObject({ granted: false });
      expect(refreshes()).toHaveLength(1);
    });
  });

  describe('that Auth0 refuses', () => {
    const refusing = (status: number, body: object) => issuer.answers({ status, body });
    const refused = { granted: false, error: 'invalid_grant' };

    it.each([400, 401, 403, 500])(
      'by a denial (%i) is over: it is ended, upstream too, and says to log in again',
      async (status) => {
        const { accessToken: first } = await core.loggedIn();
        refusing(status, { error: 'access_denied', error_description: 'Only on weekdays' });
        expect(await core.tryRefresh(first)).toEqual(refused);
        expect(issuer.revoked).toEqual([granted[0]!.refresh_token]);
        expect(await core.isActive(first)).toBe(false);
        grants(() => issuer.grant());
        expect(await core.tryRefresh(first)).toEqual(refused);
      },
    );

    it.each<[string, number, object]>([
      ['a wrong client secret', 401, { error: 'access_denied', error_description: 'Unauthorized' }],
      ['an API that is gone', 403, { error: 'access_denied', error_description: 'Service not found: x' }],
      ['a code that is not known', 403, { error: 'brand_new' }],
    ])('because of %s goes on once that is over', async (_title, status, body) => {
      const { accessToken: first } = await core.loggedIn();
      refusing(status, body);
      await expect(core.tryRefresh(first)).rejects.toThrow(UpstreamUnavailable);
      grants(() => issuer.grant());
      expect(await core.tryRefresh(first)).toMatchObject({ granted: true });
      expect(issuer.revoked).toEqual([]);
    });
  });

  describe('whose grant the store does not take', () => {
    it('goes on from it with the retry', async () => {
      const { accessToken: first } = await core.loggedIn();
      const mend = core.fillStore();
      await expect(core.tryRefresh(first)).rejects.toMatchObject({ code: 'store_unavailable' });
      await expect(core.tryRefresh(first)).rejects.toMatchObject({ code: 'store_unavailable' });
      mend();
      expect(tokenOf(await core.tryRefresh(first))).toBe(granted[1]!.access_token);
      expect(refreshes()).toHaveLength(1);
    });

    it('stores it as soon as it can, so that another replica goes on from it', async () => {
      const { accessToken: first } = await core.loggedIn();
      const before = await keysOf('session:v3:');
      const mend = core.fillStore();
      await expect(core.tryRefresh(first)).rejects.toMatchObject({ code: 'store_unavailable' });
      mend();
      const other = await UseCases.open(issuer, { store: core.store });
      await until(async () => (await keysOf('session:v3:')) !== before, 20_000);
      expect(tokenOf(await other.tryRefresh(first))).toBe(granted[1]!.access_token);
      expect(refreshes()).toHaveLength(1);
      await other.close();
    });

    it('revokes it upstream when the session was ended meanwhile', async () => {
      const { accessToken: first } = await core.loggedIn();
      const mend = core.fillStore();
      await expect(core.tryRefresh(first)).rejects.toMatchObject({ code: 'store_unavailable' });
      mend();
      expect(await core.logOut.execute(first)).toEqual({ ended: true });
      await until(() => issuer.revoked.includes(granted[1]!.refresh_token), 20_000);
    });

    async function keysOf(prefix: string): Promise<string> {
      let all = '';
      for await (const { key, value } of core.store.scan(prefix)) all += `${key} ${value}\n`;
      return all;
    }
  });

  describe('that is overtaken because it lost its lock', () => {
    let answer: () => void;
    let first: string;
    let overtaken: Promise<GrantResult | Error>;

    /** A refresh that Auth0 has granted, and whose answer does not come until it is let through. */
    beforeEach(async () => {
      ({ accessToken: first } = await core.loggedIn());
      let isFirst = true;
      issuer.answers(async () => {
        const reply = await issuer.grant();
        granted.push(reply.body as Pair);
        if (isFirst) {
          isFirst = false;
          await new Promise<void>((resolve) => (answer = resolve));
        }
        return reply;
      });
      overtaken = core.tryRefresh(first).catch((error: Error) => error);
      await until(() => granted.length === 2);
      await core.dropLock(first);
    });

    it('not at all: its grant is kept, and the retry goes on from it', async () => {
      answer();
      expect(await overtaken).toBeInstanceOf(Busy);
      expect(tokenOf(await core.tryRefresh(first))).toBe(granted[1]!.access_token);
      expect(refreshes()).toHaveLength(1);
      expect(issuer.revoked).toEqual([]);
    });

    it('by a log-out: what it was granted is revoked upstream', async () => {
      expect(await core.logOut.execute(first)).toEqual({ ended: true });
      answer();
      expect(await overtaken).toBeInstanceOf(Busy);
      expect(issuer.revoked).toEqual([granted[0]!.refresh_token, granted[1]!.refresh_token]);
      expect(await core.tryRefresh(first)).toMatchObject({ granted: false });
    });

    it('by another refresh: the session goes on with that one, and a log-out revokes what both were granted', async () => {
      const second = tokenOf(await core.tryRefresh(first))!;
      expect(second).toBe(granted[2]!.access_token);
      answer();
      expect(await overtaken).toBeInstanceOf(Busy);
      expect(issuer.revoked).toEqual([]);
      const third = tokenOf(await core.tryRefresh(second))!;
      expect(await core.isActive(third)).toBe(true);
      expect(await core.logOut.execute(first)).toEqual({ ended: true });
      expect(issuer.revoked.toSorted()).toEqual(
        [granted[1]!.refresh_token, granted[3]!.refresh_token].toSorted(),
      );
      for (const token of [first, second, third]) expect(await core.isActive(token)).toBe(false);
    });

    it('by another refresh and a log-out: what it was granted is revoked upstream', async () => {
      await core.tryRefresh(first);
      expect(await core.logOut.execute(first)).toEqual({ ended: true });
      answer();
      expect(await overtaken).toBeInstanceOf(Busy);
      expect(issuer.revoked).toContain(granted[1]!.refresh_token);
    });
  });

  describe('at two user-tokens whose clocks differ', () => {
    it.each([31, -31, 3_000])('by %i s: the second tab gets the answer of the first', async (seconds) => {
      const { store } = core;
      await core.close();
      const nowMs = Date.now.bind(Date);
      const shared = { store, clock: { nowMs } };
      core = await UseCases.open(issuer, shared);
      const other = await UseCases.open(issuer, shared);
      const { accessToken: first } = await core.loggedIn();
      const second = tokenOf(await core.tryRefresh(first));
      jest.spyOn(Date, 'now').mockImplementation(() => nowMs() + seconds * 1000);
      expect(tokenOf(await other.tryRefresh(first))).toBe(second);
      await other.close();
    });
  });

  describe('by a refresh token of a client that was used before', () => {
    const portal = { clientId: 'portal', allowed: ['read:venues', 'write:venues'] };
    const kiosk = { ...portal, clientId: 'kiosk' };
    const inSettings = async (settings: Record<string, string>) => {
      await core.close();
      core = await UseCases.open(issuer, { settings });
    };
    const refused = { granted: false, error: 'invalid_grant' };
    const reused = { granted: false, error: 'token_reused' };

    it('gets the same pair within 10 s, and Auth0 is not asked again', async () => {
      const first = (await core.loggedIn(portal)).refreshToken!;
      const second = await core.refreshed(first, portal);
      later(9);
      const again = await core.refreshed(first, portal);
      expect([again.accessToken, again.refreshToken]).toEqual([second.accessToken, second.refreshToken]);
      expect(second.expiresInSeconds - again.expiresInSeconds).toBeGreaterThanOrEqual(9);
      expect(second.refreshExpiresInSeconds! - again.refreshExpiresInSeconds!).toBeGreaterThanOrEqual(9);
      expect(refreshes()).toHaveLength(1);
      expect(await core.isActive(second.accessToken)).toBe(true);
      expect(await core.tryRefresh(second.refreshToken!, portal)).toMatchObject({ granted: true });
    });

    it('gets the same pair when both come at the same moment, over two user-tokens', async () => {
      const other = await UseCases.open(issuer, { store: core.store });
      let { refreshToken } = await core.loggedIn(portal);
      for (let round = 1; round <= 20; round += 1) {
        const token = refreshToken!;
        const pairs = await Promise.all(
          [core, other, core, other].map((replica) => replica.refreshed(token, portal)),
        );
        expect(new Set(pairs.map((pair) => pair.accessToken)).size).toBe(1);
        expect(new Set(pairs.map((pair) => pair.refreshToken)).size).toBe(1);
        expect(refreshes()).toHaveLength(round);
        ({ refreshToken } = pairs[0]!);
      }
      await other.close();
    });

    it('later, has been reused: the session is ended, the new pair with it', async () => {
      const first = (await core.loggedIn(portal)).refreshToken!;
      const second = await core.refreshed(first, portal);
      later(11);
      expect(await core.tryRefresh(first, portal)).toEqual(reused);
      expect(await core.tryRefresh(second.refreshToken!, portal)).toEqual(refused);
      expect(await core.isActive(second.accessToken)).toBe(false);
    });

    it.each<[string, number, object]>([
      ['600', 590, { granted: true }],
      ['600', 601, reused],
      ['1', 2, reused],
    ])('with OAUTH_REFRESH_REUSE_SECONDS=%s, after %i s', async (seconds, passedSeconds, answer) => {
      await inSettings({ OAUTH_REFRESH_REUSE_SECONDS: seconds });
      const first = (await core.loggedIn(portal)).refreshToken!;
      await core.refreshed(first, portal);
      later(passedSeconds);
      expect(await core.tryRefresh(first, portal)).toMatchObject(answer);
    });

    it('counts as reused at once where OAUTH_REFRESH_REUSE_SECONDS is 0, whatever our own front ends are allowed', async () => {
      await inSettings({ OAUTH_REFRESH_REUSE_SECONDS: '0', REFRESH_REPLAY_WINDOW_SECONDS: '600' });
      const first = (await core.loggedIn(portal)).refreshToken!;
      await core.refreshed(first, portal);
      expect(await core.tryRefresh(first, portal)).toEqual(reused);
    });

    it.each([
      ['another client', kiosk],
      ['our own front ends', undefined],
    ])('is nothing to %s, and the session goes on', async (_title, holder) => {
      const first = (await core.loggedIn(portal)).refreshToken!;
      const second = await core.refreshed(first, portal);
      expect(await core.tryRefresh(first, holder)).toEqual(refused);
      later(11);
      expect(await core.tryRefresh(first, holder)).toEqual(refused);
      expect(await core.tryRefresh(second.refreshToken!, portal)).toMatchObject({ granted: true });
    });

    it('gets no more than is asked for now, and the session goes on', async () => {
      const first = (await core.loggedIn(portal)).refreshToken!;
      const second = await core.refreshed(first, portal);
      const narrow = { ...portal, asked: ['read:venues'] };
      expect(await core.tryRefresh(first, narrow)).toEqual({ granted: false, error: 'invalid_scope' });
      const narrowed = { ...portal, allowed: ['read:venues'] };
      expect(await core.tryRefresh(first, narrowed)).toEqual({ granted: false, error: 'invalid_scope' });
      expect(await core.refreshed(first, portal)).toMatchObject({ scope: 'read:venues write:venues' });
      expect(await core.tryRefresh(second.refreshToken!, portal)).toMatchObject({ granted: true });
    });

    it.each(['in force', 'expired'])(
      'gets nothing once the session has been ended, when its access token was %s at the refresh',
      async (state) => {
        if (state === 'expired') {
          grants(() => issuer.grant({ exp: nowSeconds() + 60 }));
        }
        const first = (await core.loggedIn(portal)).refreshToken!;
        if (state === 'expired') {
          later(61);
          grants(() => issuer.grant());
        }
        const second = await core.refreshed(first, portal);
        expect(await core.issuedTokens.revoke(second.refreshToken!, 'portal')).toEqual({
          outcome: 'revoked',
        });
        expect(await core.tryRefresh(first, portal)).toEqual(refused);
      },
    );
  });

  describe('that is given the access token of another session', () => {
    it('asks again in the next second: the two have nothing in common', async () => {
      const { accessToken: first } = await core.loggedIn();
      const { accessToken: bystander } = await core.loggedIn();
      const fixed = granted[1]!;
      let isFirst = true;
      grants(async () => {
        const reply = await issuer.grant();
        if (!isFirst) return reply;
        isFirst = false;
        return { ...reply, body: { ...(reply.body as Pair), access_token: fixed.access_token } };
      });
      granted.push(granted[0]!);
      const second = tokenOf(await core.tryRefresh(first))!;
      expect(second).toBe(granted.at(-1)!.access_token);
      expect(second).not.toBe(bystander);
      expect(await core.logOut.execute(second)).toEqual({ ended: true });
      expect(await core.isActive(bystander)).toBe(true);
    });

    it('and gets it again: 503, nothing is lost, and the retry goes on', async () => {
      const { accessToken: first } = await core.loggedIn();
      const { accessToken: bystander } = await core.loggedIn();
      grants(async () => {
        const reply = await issuer.grant();
        return { ...reply, body: { ...(reply.body as Pair), access_token: bystander } };
      });
      granted.push(granted[0]!);
      await expect(core.tryRefresh(first)).rejects.toMatchObject({ retryAfterSeconds: 1 });
      grants(() => issuer.grant());
      expect(tokenOf(await core.tryRefresh(first))).toBe(granted.at(-1)!.access_token);
      expect(tokenOf(await core.tryRefresh(bystander))).toBeUndefined();
    });
  });
});
