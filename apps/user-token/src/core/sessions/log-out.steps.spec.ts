import { jest } from '@jest/globals';
import { PORTAL } from '@app/test-support/core/interleavings';
import { Operation, SteppedCore, type Replica } from '@app/test-support/core/stepped-core';
import { UpstreamUnavailable } from '../authorization-server.js';
import { Busy } from '../busy.js';
import type { SessionEntry } from './sessions.js';

const ADA = 'auth0|ada';
const DAY_SECONDS = 24 * 3600;

describe('LogOut', () => {
  let core: SteppedCore;
  let one: Replica;
  let other: Replica;

  beforeEach(async () => {
    core = await SteppedCore.open();
    [one, other] = core.replicas;
  });

  afterEach(() => core.close());

  const ended = { ended: true };
  const overtaken = new Busy('the end of this session took too long, and another request has overtaken it');
  const inForce = () => core.issuer.inForce(ADA);
  const entries = () => one.sessions.entriesOf(ADA);
  async function expectOver(...tokens: readonly string[]): Promise<void> {
    for (const token of tokens) {
      for (const replica of core.replicas) expect(await replica.isActive(token)).toBe(false);
      expect(await other.tryRefresh(token)).toMatchObject({ granted: false });
    }
  }

  it('closes access first, then revokes the refresh token, then forgets the session', async () => {
    const { accessToken } = await one.loggedIn('ada');
    const logOut = new Operation(() => one.logOut.execute(accessToken));
    expect(await logOut.outcome).toEqual({ value: ended });
    expect(logOut.calls.filter((call) => /write|revoke/.test(call))).toEqual([
      'store.writeAll',
      'issuer.revoke',
      'store.writeAllIfEqual',
    ]);
    expect(await entries()).toEqual([]);
    await expectOver(accessToken);
  });

  it.each([
    ['no token', 'not a token', 'malformed'],
    ['a token of no user', 'token-of-no-user', 'invalid'],
  ])('by %s ends nothing', async (_title, token, reason) => {
    expect(await one.logOut.execute(token)).toEqual({ ended: false, reason });
  });

  it('by an expired token that has no session says so', async () => {
    const { accessToken } = await one.loggedIn('ada');
    await one.logOut.endSession(accessToken);
    core.pass(3_600);
    expect(await one.logOut.execute(accessToken)).toEqual({ ended: false, reason: 'expired' });
  });

  it('by a token without a session ends that token, and no session', async () => {
    const { accessToken } = await one.loggedIn('ada');
    await core.forget(accessToken);
    const [entry] = await entries();
    const lock = await one.sessions.lock(entry!.credentialId);
    await one.sessions.end(entry!, lock!);
    const kept = await one.loggedIn('ada');
    expect(await one.logOut.execute(accessToken)).toEqual(ended);
    await expectOver(accessToken);
    expect(await one.isActive(kept.accessToken)).toBe(true);
  });

  it('by a token whose session has lost its value ends it by its entry', async () => {
    const first = await one.loggedIn('ada');
    await core.forget(first.accessToken);
    const kept = await one.loggedIn('ada');
    expect(await one.logOut.execute(first.accessToken)).toEqual(ended);
    expect(await entries()).toHaveLength(1);
    await expectOver(first.accessToken);
    expect(await one.isActive(kept.accessToken)).toBe(true);
  });

  it("by a client's access token ends that client's session", async () => {
    const pair = await one.loggedIn('ada', PORTAL);
    const kept = await one.loggedIn('ada', PORTAL);
    expect(await one.logOut.execute(pair.accessToken)).toEqual(ended);
    expect(await one.tryRefresh(pair.refreshToken!, PORTAL)).toMatchObject({ granted: false });
    expect(await one.isActive(kept.accessToken)).toBe(true);
  });

  it("by a client's refresh token, which is no access token, ends nothing", async () => {
    const pair = await one.loggedIn('ada', PORTAL);
    expect(await one.logOut.execute(pair.refreshToken!)).toMatchObject({ ended: false });
    expect(await one.isActive(pair.accessToken)).toBe(true);
  });

  it('that cannot be written changes nothing', async () => {
    const { accessToken } = await one.loggedIn('ada');
    core.refuseNext('writeAll');
    await expect(one.logOut.execute(accessToken)).rejects.toMatchObject({ code: 'store_unavailable' });
    expect(await one.isActive(accessToken)).toBe(true);
    expect(inForce()).toHaveLength(1);
  });

  it('that upstream does not answer has closed access, and is completed by the next', async () => {
    const { accessToken } = await one.loggedIn('ada');
    jest.spyOn(core.issuer, 'revoke').mockRejectedValueOnce(new UpstreamUnavailable('no answer'));
    await expect(one.logOut.execute(accessToken)).rejects.toThrow('no answer');
    expect(await one.isActive(accessToken)).toBe(false);
    expect(inForce()).toHaveLength(1);
    expect(await one.logOut.execute(accessToken)).toEqual(ended);
    expect(inForce()).toEqual([]);
    expect(await entries()).toEqual([]);
  });

  it('of a session that is being refreshed closes what the refresh gives, too', async () => {
    const first = await one.loggedIn('ada');
    // Its last look at denials is over.
    const refresh = new Operation(() => one.refreshed(first.accessToken), {
      at: 'issuer.grantRefresh',
      side: 'after',
    });
    await refresh.idle();
    refresh.goOn({ at: 'store.setIfAbsent', side: 'after' });
    await refresh.idle();
    const logOut = new Operation(() => other.logOut.execute(first.accessToken));
    await logOut.idle();
    expect(logOut.calls).toContain('store.writeAll');
    refresh.goOn();
    const given = await refresh.outcome;
    expect(await logOut.outcome).toEqual({ value: ended });
    const second = (given as { value: { accessToken: string } }).value.accessToken;
    await expectOver(first.accessToken, second);
    expect(inForce()).toEqual([]);
  });

  it('by a token that was refreshed, when its session is gone, ends what is known of both tokens', async () => {
    const first = await one.loggedIn('ada');
    const second = await one.refreshed(first.accessToken);
    const [entry] = await entries();
    const lock = await one.sessions.lock(entry!.credentialId);
    await one.sessions.end(entry!, lock!);
    expect(await one.isActive(second.accessToken)).toBe(true);
    expect(await one.logOut.execute(first.accessToken)).toEqual(ended);
    await expectOver(first.accessToken, second.accessToken);
  });

  describe('whose lock was lost', () => {
    it('before the session was forgotten fails, and is completed by the next', async () => {
      const { accessToken } = await one.loggedIn('ada');
      const logOut = new Operation(() => one.logOut.execute(accessToken), {
        at: 'store.writeAllIfEqual',
        side: 'before',
      });
      await logOut.idle();
      core.outlastLocks();
      logOut.goOn();
      expect(await logOut.outcome).toEqual({ error: overtaken });
      expect(await entries()).toHaveLength(1);
      expect(await one.isActive(accessToken)).toBe(false);
      expect(await one.logOut.execute(accessToken)).toEqual(ended);
      expect(await entries()).toEqual([]);
    });

    it('by its entry, the same', async () => {
      await one.loggedIn('ada');
      const [entry] = await entries();
      const end = new Operation(() => one.logOut.endEntry(entry!), {
        at: 'store.writeAllIfEqual',
        side: 'before',
      });
      await end.idle();
      core.outlastLocks();
      end.goOn();
      expect(await end.outcome).toEqual({ error: overtaken });
      await one.logOut.endEntry(entry!);
      expect(await entries()).toEqual([]);
    });
  });

  describe('by the entry of a session', () => {
    async function entryOf(token: string): Promise<SessionEntry> {
      expect(await one.isActive(token)).toBe(true);
      return (await entries())[0]!;
    }

    it('that was refreshed since follows it, and closes what it has now', async () => {
      const first = await one.loggedIn('ada');
      const entry = await entryOf(first.accessToken);
      const second = await one.refreshed(first.accessToken);
      // A refresh sees the denial of the last access token that it knows.
      const third = await one.refreshed(second.accessToken);
      await one.logOut.endEntry(entry);
      expect(await entries()).toEqual([]);
      await expectOver(first.accessToken, second.accessToken, third.accessToken);
    });

    it('that is gone closes its tokens all the same', async () => {
      const { accessToken } = await one.loggedIn('ada');
      const entry = await entryOf(accessToken);
      const lock = await one.sessions.lock(entry.credentialId);
      await one.sessions.end(entry, lock!);
      await lock!.release();
      await one.logOut.endEntry(entry);
      await expectOver(accessToken);
    });

    it('denies its last access token for as long as the session could be refreshed, the others until they expire', async () => {
      const deny = jest.spyOn(one.denials, 'deny');
      const first = await one.loggedIn('ada');
      await one.refreshed(first.accessToken);
      const [entry] = await entries();
      const nowSeconds = core.nowMs / 1000;
      await one.logOut.endEntry(entry!);
      expect(deny.mock.calls[0]![1].map(({ expiresAtSeconds }) => expiresAtSeconds)).toEqual([
        nowSeconds + 3_600,
        nowSeconds + 14 * DAY_SECONDS,
      ]);
    });

    it('denies a token for its whole life where that is longer', async () => {
      core.issuer.lifeSeconds = 30 * DAY_SECONDS;
      const deny = jest.spyOn(one.denials, 'deny');
      await one.loggedIn('ada');
      const [entry] = await entries();
      await one.logOut.endEntry(entry!);
      const expected = core.nowMs / 1000 + 30 * DAY_SECONDS;
      expect(deny.mock.calls[0]![1]).toMatchObject([{ expiresAtSeconds: expected }]);
    });
  });
});
