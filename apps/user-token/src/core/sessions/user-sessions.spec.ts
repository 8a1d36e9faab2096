import type { ListedSession } from '@app/contract';
import { PORTAL } from '@app/test-support/core/interleavings';
import { Operation, SteppedCore, type Replica } from '@app/test-support/core/stepped-core';

const DAY_SECONDS = 24 * 3600;

describe('UserSessions', () => {
  let core: SteppedCore;
  let replica: Replica;

  beforeEach(async () => {
    core = await SteppedCore.open();
    [replica] = core.replicas;
  });

  afterEach(() => core.close());

  async function listed(accessToken: string): Promise<readonly ListedSession[]> {
    const result = await replica.userSessions.list(accessToken);
    if (!result.listed) throw new Error(`not listed: ${result.reason}`);
    return result.sessions;
  }
  async function idOf(accessToken: string): Promise<string> {
    return (await listed(accessToken)).find(({ current }) => current)!.id;
  }

  describe('list', () => {
    it('tells of each session whose it is, where it began and when it was used, the one used last first', async () => {
      const startedAtSeconds = core.nowMs / 1000;
      await replica.logIn.execute({ username: 'ada', password: 'x' }, replica.issuances.of(PORTAL), {
        userAgent: 'Portal/1',
        address: '192.0.2.1',
      });
      core.pass(60);
      const own = await replica.loggedIn('ada');
      await replica.loggedIn('grace');
      expect(await listed(own.accessToken)).toEqual([
        {
          id: expect.any(String),
          current: true,
          clientId: undefined,
          userAgent: undefined,
          address: undefined,
          createdAtSeconds: startedAtSeconds + 60,
          usedAtSeconds: startedAtSeconds + 60,
        },
        {
          id: expect.any(String),
          current: false,
          clientId: 'portal',
          userAgent: 'Portal/1',
          address: '192.0.2.1',
          createdAtSeconds: startedAtSeconds,
          usedAtSeconds: startedAtSeconds,
        },
      ]);
    });

    it('shows a session that was refreshed as the same one, used now', async () => {
      const startedAtSeconds = core.nowMs / 1000;
      const first = await replica.loggedIn('ada');
      const id = await idOf(first.accessToken);
      core.pass(60);
      const second = await replica.refreshed(first.accessToken);
      for (const { accessToken } of [first, second])
        expect(await listed(accessToken)).toMatchObject([
          { id, current: true, createdAtSeconds: startedAtSeconds, usedAtSeconds: startedAtSeconds + 60 },
        ]);
    });

    it('leaves out what a log-out everywhere has closed', async () => {
      await replica.loggedIn('ada');
      await replica.revokeSubject.execute('auth0|ada');
      core.pass(60);
      const { accessToken } = await replica.loggedIn('ada');
      expect(await listed(accessToken)).toMatchObject([{ current: true }]);
    });

    it.each([0, 1])(
      'shows a session without access for 14 days after its last use, %i s less',
      async (less) => {
        await replica.loggedIn('ada');
        core.pass(14 * DAY_SECONDS - less);
        const own = await replica.loggedIn('ada');
        expect(await listed(own.accessToken)).toHaveLength(1 + less);
      },
    );

    it.each([0, 1])(
      'shows a session for as long as its access token is in force, %i s less',
      async (less) => {
        const longLived = 30 * DAY_SECONDS;
        core.issuer.lifeSeconds = longLived;
        await replica.loggedIn('ada');
        core.pass(longLived - less);
        const own = await replica.loggedIn('ada');
        expect(await listed(own.accessToken)).toHaveLength(1 + less);
      },
    );

    it.each([0, 1])(
      'shows no session older than 90 days, %i s less, however often it was used',
      async (less) => {
        let { refreshToken } = await replica.loggedIn('ada', PORTAL);
        for (let day = 9; day < 90; day += 9) {
          core.pass(9 * DAY_SECONDS);
          ({ refreshToken } = await replica.refreshed(refreshToken!, PORTAL));
        }
        core.pass(9 * DAY_SECONDS - less);
        const own = await replica.loggedIn('ada');
        expect(await listed(own.accessToken)).toHaveLength(1 + less);
      },
    );

    it.each([
      ['malformed', 'not a token'],
      ['invalid', 'token-of-nobody_'],
    ])('says why a token that is %s sees nothing', async (reason, accessToken) => {
      expect(await replica.userSessions.list(accessToken)).toEqual({ listed: false, reason });
    });

    it('is not for the access token of a client', async () => {
      const { accessToken } = await replica.loggedIn('ada', PORTAL);
      expect(await replica.userSessions.list(accessToken)).toEqual({
        listed: false,
        reason: 'not_permitted',
      });
    });
  });

  describe('end', () => {
    it('ends another session of the user, and no third one', async () => {
      const [own, another, third] = [
        await replica.loggedIn('ada'),
        await replica.loggedIn('ada'),
        await replica.loggedIn('ada'),
      ];
      const id = await idOf(another.accessToken);
      expect(await replica.userSessions.end(own.accessToken, id)).toEqual({ ended: true });
      for (const { accessToken } of [own, third]) expect(await replica.isActive(accessToken)).toBe(true);
      expect(await replica.isActive(another.accessToken)).toBe(false);
      expect(await replica.tryRefresh(another.accessToken)).toMatchObject({ granted: false });
      expect(await listed(own.accessToken)).toHaveLength(2);
    });

    it("ends the user's own session upstream as well", async () => {
      const { accessToken } = await replica.loggedIn('ada');
      const id = await idOf(accessToken);
      expect(await replica.userSessions.end(accessToken, id)).toEqual({ ended: true });
      expect(core.issuer.inForce('auth0|ada')).toEqual([]);
      expect(await replica.isActive(accessToken)).toBe(false);
    });

    it('ends it by a token that was refreshed since, and whose link was lost', async () => {
      const first = await replica.loggedIn('ada');
      const second = await replica.refreshed(first.accessToken);
      const id = await idOf(second.accessToken);
      await core.forget(first.accessToken);
      expect(await replica.userSessions.end(first.accessToken, id)).toEqual({ ended: true });
      expect(await replica.isActive(second.accessToken)).toBe(false);
      expect(await replica.tryRefresh(second.accessToken)).toMatchObject({ granted: false });
    });

    it('knows no session of another user, nor one that has ended', async () => {
      const own = await replica.loggedIn('ada');
      const foreign = await replica.loggedIn('grace');
      const ended = await replica.loggedIn('ada');
      const unknown = { ended: false, reason: 'unknown_session' };
      const ids = [await idOf(foreign.accessToken), await idOf(ended.accessToken), 'x'];
      await replica.logOut.execute(ended.accessToken);
      for (const id of ids) expect(await replica.userSessions.end(own.accessToken, id)).toEqual(unknown);
      expect(await replica.isActive(foreign.accessToken)).toBe(true);
    });

    it('knows no session any more that a log-out everywhere has closed, though its entry is left', async () => {
      const before = await replica.loggedIn('ada');
      const id = await idOf(before.accessToken);
      await replica.revokeSubject.execute('auth0|ada');
      const own = await replica.loggedIn('ada');
      expect(await replica.userSessions.end(own.accessToken, id)).toEqual({
        ended: false,
        reason: 'unknown_session',
      });
    });

    it('is not for the access token of a client, not even for its own session', async () => {
      const { accessToken } = await replica.loggedIn('ada', PORTAL);
      const [{ id }] = (await listed((await replica.loggedIn('ada')).accessToken)).filter(
        ({ clientId }) => clientId === 'portal',
      ) as [ListedSession];
      expect(await replica.userSessions.end(accessToken, id)).toEqual({
        ended: false,
        reason: 'not_permitted',
      });
      expect(await replica.isActive(accessToken)).toBe(true);
    });

    it('ends a session that is being refreshed, with what comes of it', async () => {
      const own = await replica.loggedIn('ada');
      const another = await replica.loggedIn('ada');
      const id = await idOf(another.accessToken);
      const refresh = new Operation(() => replica.tryRefresh(another.accessToken), {
        at: 'issuer.grantRefresh',
        side: 'before',
      });
      await refresh.idle();
      const end = new Operation(() => replica.userSessions.end(own.accessToken, id));
      await end.idle();
      refresh.goOn();
      expect(await end.outcome).toEqual({ value: { ended: true } });
      const refreshed = await refresh.outcome;
      if ('value' in refreshed && refreshed.value.granted)
        expect(await replica.isActive(refreshed.value.token.accessToken)).toBe(false);
      expect(await replica.isActive(another.accessToken)).toBe(false);
      expect(await listed(own.accessToken)).toHaveLength(1);
    });
  });
});
