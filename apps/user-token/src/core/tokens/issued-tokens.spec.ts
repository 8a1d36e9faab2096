import { issuedTokenKind, newIssuedToken } from '@app/contract';
import { PORTAL } from '@app/test-support/core/interleavings';
import { SteppedCore, type Replica } from '@app/test-support/core/stepped-core';

const DAY_SECONDS = 24 * 3600;
const IDLE_SECONDS = 14 * DAY_SECONDS;
const ABSOLUTE_SECONDS = 90 * DAY_SECONDS;

describe('IssuedTokens', () => {
  let core: SteppedCore;
  let replica: Replica;

  beforeEach(async () => {
    core = await SteppedCore.open();
    [replica] = core.replicas;
  });

  afterEach(() => core.close());

  const revoke = (token: string, clientId = 'portal') => replica.issuedTokens.revoke(token, clientId);
  const inspect = (token: string, clientId = 'portal') =>
    replica.issuedTokens.inspectRefreshToken(token, clientId);

  describe('revoke', () => {
    it.each(['accessToken', 'refreshToken'] as const)(
      'by the %s ends the session, and with it both',
      async (kind) => {
        const pair = await replica.loggedIn('ada', PORTAL);
        const another = await replica.loggedIn('ada', PORTAL);
        expect(await revoke(pair[kind]!)).toEqual({ outcome: 'revoked' });
        expect(await replica.isActive(pair.accessToken)).toBe(false);
        expect(await replica.tryRefresh(pair.refreshToken!, PORTAL)).toMatchObject({ granted: false });
        expect(await replica.isActive(another.accessToken)).toBe(true);
        expect(await replica.tryRefresh(another.refreshToken!, PORTAL)).toMatchObject({ granted: true });
      },
    );

    it('by the refresh token revokes that of the authorization server', async () => {
      const { refreshToken } = await replica.loggedIn('ada', PORTAL);
      await revoke(refreshToken!);
      expect(core.issuer.inForce('auth0|ada')).toEqual([]);
    });

    it.each(['accessToken', 'refreshToken'] as const)(
      'by the %s of before a refresh ends what the session has now',
      async (kind) => {
        const first = await replica.loggedIn('ada', PORTAL);
        const second = await replica.refreshed(first.refreshToken!, PORTAL);
        expect(await revoke(first[kind]!)).toEqual({ outcome: 'revoked' });
        for (const { accessToken } of [first, second])
          expect(await replica.isActive(accessToken)).toBe(false);
        expect(await replica.tryRefresh(second.refreshToken!, PORTAL)).toMatchObject({ granted: false });
      },
    );

    it('by an access token whose session is gone ends that token', async () => {
      const { accessToken } = await replica.loggedIn('ada', PORTAL);
      const [entry] = await replica.sessions.entriesOf('auth0|ada');
      const lock = await replica.sessions.lock(entry!.credentialId);
      await replica.sessions.end({ ...entry!, accessTokens: [] }, lock!);
      await lock!.release();
      expect(await replica.isActive(accessToken)).toBe(true);
      expect(await revoke(accessToken)).toEqual({ outcome: 'revoked' });
      expect(await replica.isActive(accessToken)).toBe(false);
    });

    it.each(['accessToken', 'refreshToken'] as const)(
      'by the %s of another client is refused, before a refresh and after, and nothing ends',
      async (kind) => {
        const first = await replica.loggedIn('ada', PORTAL);
        expect(await revoke(first[kind]!, 'kiosk')).toEqual({ outcome: 'foreign' });
        const second = await replica.refreshed(first.refreshToken!, PORTAL);
        expect(await revoke(first[kind]!, 'kiosk')).toEqual({ outcome: 'foreign' });
        for (const { accessToken } of [first, second]) expect(await replica.isActive(accessToken)).toBe(true);
      },
    );

    it.each([
      ['a refresh token of no user', () => newIssuedToken('refresh', 'auth0|ada'), 'unknown'],
      ['an access token of no user', () => newIssuedToken('access', 'auth0|ada'), 'unknown'],
      ['a word', () => 'word', 'unknown'],
      ['a JWT, which is not ours', () => 'eyJh.eyJh.eyJh', 'unsupported'],
    ])('says of %s what it is', async (_title, token, outcome) => {
      expect(await revoke(token())).toEqual({ outcome });
    });
  });

  describe('inspectRefreshToken', () => {
    it('tells whose it is, what it is good for, and until when', async () => {
      const startedAtSeconds = core.nowMs / 1000;
      const { refreshToken } = await replica.loggedIn('ada', { ...PORTAL, asked: ['read:venues'] });
      core.pass(DAY_SECONDS);
      expect(await inspect(refreshToken!)).toEqual({
        active: true,
        subject: 'auth0|ada',
        scope: 'read:venues',
        issuedAtSeconds: startedAtSeconds,
        expiresAtSeconds: startedAtSeconds + IDLE_SECONDS,
      });
    });

    it('tells of the end of the session where that comes first', async () => {
      const startedAtSeconds = core.nowMs / 1000;
      let { refreshToken } = await replica.loggedIn('ada', PORTAL);
      for (let day = 10; day <= 80; day += 10) {
        core.pass(10 * DAY_SECONDS);
        ({ refreshToken } = await replica.refreshed(refreshToken!, PORTAL));
      }
      expect(await inspect(refreshToken!)).toMatchObject({
        issuedAtSeconds: startedAtSeconds + 80 * DAY_SECONDS,
        expiresAtSeconds: startedAtSeconds + ABSOLUTE_SECONDS,
      });
    });

    it.each([
      [1, true],
      [0, false],
    ])('%i s before its end: active is %s', async (secondsBefore, active) => {
      core.issuer.lifeSeconds = 30 * DAY_SECONDS;
      const { refreshToken } = await replica.loggedIn('ada', PORTAL);
      core.pass(IDLE_SECONDS - secondsBefore);
      expect(await inspect(refreshToken!)).toMatchObject({ active });
    });

    const inactive = { active: false };

    it('is of the same client only', async () => {
      const { refreshToken } = await replica.loggedIn('ada', PORTAL);
      expect(await inspect(refreshToken!, 'kiosk')).toEqual(inactive);
    });

    it('finds none that was refreshed, revoked, closed with all of its user, or never there', async () => {
      const refreshed = (await replica.loggedIn('ada', PORTAL)).refreshToken!;
      await replica.refreshed(refreshed, PORTAL);
      const revoked = (await replica.loggedIn('ada', PORTAL)).refreshToken!;
      await revoke(revoked);
      const closed = (await replica.loggedIn('ada', PORTAL)).refreshToken!;
      await replica.revokeSubject.execute('auth0|ada');
      for (const token of [refreshed, revoked, closed, newIssuedToken('refresh', 'auth0|ada')])
        expect(await inspect(token)).toEqual(inactive);
    });

    it('is no access token, though that opens a session of our own front ends', async () => {
      const own = await replica.loggedIn('ada');
      const pair = await replica.loggedIn('ada', PORTAL);
      expect(issuedTokenKind(pair.accessToken)).toBe('access');
      for (const token of [own.accessToken, pair.accessToken]) expect(await inspect(token)).toEqual(inactive);
    });
  });
});
