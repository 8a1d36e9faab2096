import { PORTAL } from '@app/test-support/core/interleavings';
import { SteppedCore, type Replica } from '@app/test-support/core/stepped-core';

describe('RevokeSubject', () => {
  let core: SteppedCore;
  let one: Replica;
  let other: Replica;

  beforeEach(async () => {
    core = await SteppedCore.open();
    [one, other] = core.replicas;
  });

  afterEach(() => core.close());

  async function expectOver(accessToken: string): Promise<void> {
    for (const replica of core.replicas) expect(await replica.isActive(accessToken)).toBe(false);
  }

  it('ends all access of the user at every replica, of clients too, and of no other user', async () => {
    const [own, client, foreign] = [
      await one.loggedIn('ada'),
      await one.loggedIn('ada', PORTAL),
      await one.loggedIn('grace'),
    ];
    await other.revokeSubject.execute('auth0|ada');
    for (const { accessToken } of [own, client]) await expectOver(accessToken);
    expect(await one.tryRefresh(own.accessToken)).toMatchObject({ granted: false });
    expect(await one.tryRefresh(client.refreshToken!, PORTAL)).toMatchObject({ granted: false });
    expect(await one.isActive(foreign.accessToken)).toBe(true);
  });

  it('leaves a log-in that comes after it alone, at once', async () => {
    await one.loggedIn('ada');
    await one.revokeSubject.execute('auth0|ada');
    const { accessToken } = await other.loggedIn('ada');
    for (const replica of core.replicas) expect(await replica.isActive(accessToken)).toBe(true);
  });

  it('fails where it cannot be written, and then nothing has changed', async () => {
    const { accessToken } = await one.loggedIn('ada');
    core.refuseNext('writeAllIfEqual');
    await expect(one.revokeSubject.execute('auth0|ada')).rejects.toMatchObject({ code: 'store_unavailable' });
    expect(await one.isActive(accessToken)).toBe(true);
  });

  describe('for the user himself', () => {
    it('ends all sessions, and the one that asks upstream as well', async () => {
      const [own, another] = [await one.loggedIn('ada'), await one.loggedIn('ada')];
      expect(await one.revokeSubject.executeFor(own.accessToken)).toEqual({ ended: true });
      for (const { accessToken } of [own, another]) await expectOver(accessToken);
      const left = core.issuer.inForce('auth0|ada');
      expect(left).toHaveLength(1);
      expect(await one.tryRefresh(another.accessToken)).toMatchObject({ granted: false });
      expect(core.issuer.inForce('auth0|ada')).toEqual([]);
    });

    it.each([
      ['a text that is no token', 'malformed', async () => 'not a token'],
      ['a token of no user', 'invalid', async () => 'token-of-no-user'],
      ['a token of a client', 'not_permitted', async () => (await one.loggedIn('ada', PORTAL)).accessToken],
      [
        'a token that was logged out',
        'revoked',
        async () => {
          const { accessToken } = await one.loggedIn('ada');
          await one.logOut.execute(accessToken);
          return accessToken;
        },
      ],
    ])('is refused to %s (%s), and nothing ends', async (_title, reason, presented) => {
      const { accessToken } = await one.loggedIn('ada');
      expect(await one.revokeSubject.executeFor(await presented())).toEqual({ ended: false, reason });
      expect(await one.isActive(accessToken)).toBe(true);
    });
  });
});
