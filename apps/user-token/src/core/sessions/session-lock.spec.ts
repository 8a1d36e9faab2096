import { Operation, SteppedCore, type Replica } from '@app/test-support/core/stepped-core';
import { Busy } from '../busy.js';
import { whileHolding, whileHoldingCurrent } from './session-lock.js';
import { credentialId, type SessionLock } from './sessions.js';

describe('the lock of a session', () => {
  let core: SteppedCore;
  let one: Replica;
  let other: Replica;

  beforeEach(async () => {
    core = await SteppedCore.open();
    [one, other] = core.replicas;
  });

  afterEach(() => core.close());

  const isFree = async (id: string): Promise<boolean> => {
    const lock = await other.sessions.lock(id);
    await lock?.release();
    return lock !== undefined;
  };
  const refused = {
    name: 'Busy',
    message: 'another request is refreshing or ending this session and takes too long',
    retryAfterSeconds: 1,
  };

  describe('whileHolding', () => {
    const id = credentialId('an-opaque-token-of-this-spec');

    it('holds it during the work and gives it back then', async () => {
      let freeMeanwhile: boolean | undefined;
      const result = await whileHolding(one.sessions, id, { waitMs: 0 }, async ({ isInForce }) => {
        freeMeanwhile = await isFree(id);
        return isInForce;
      });
      expect({ result, freeMeanwhile }).toEqual({ result: true, freeMeanwhile: false });
      expect(await isFree(id)).toBe(true);
    });

    it('gives it back when the work fails, with its error', async () => {
      const work = () => Promise.reject(new Error('no answer'));
      await expect(whileHolding(one.sessions, id, { waitMs: 0 }, work)).rejects.toThrow('no answer');
      expect(await isFree(id)).toBe(true);
    });

    it('knows when it may be held by another', async () => {
      await whileHolding(one.sessions, id, { waitMs: 0 }, async (lock) => {
        core.pass(16);
        expect(lock.isInForce).toBe(true);
        core.pass(1);
        expect(lock.isInForce).toBe(false);
      });
    });

    it('tries once and gives up where there is no time to wait', async () => {
      const held = await other.sessions.lock(id);
      let works = 0;
      const work = async () => (works += 1);
      await expect(whileHolding(one.sessions, id, { waitMs: 0 }, work)).rejects.toMatchObject(refused);
      expect(works).toBe(0);
      await held!.release();
    });

    it('waits for the other holder, and asks before each try whether there is still something to do', async () => {
      const held = await other.sessions.lock(id);
      const asked: boolean[] = [];
      const meanwhile = async () => {
        if (asked.push(await isFree(id)) === 2) await held!.release();
        return undefined;
      };
      const work = async () => 'worked';
      expect(await whileHolding(one.sessions, id, { waitMs: 60_000, meanwhile }, work)).toBe('worked');
      expect(asked).toEqual([false, false]);
    });

    it('needs no lock where there is an answer already, not even to a free one', async () => {
      const work = async () => 'worked';
      const meanwhile = async () => 'answered';
      expect(await whileHolding(one.sessions, id, { waitMs: 0, meanwhile }, work)).toBe('answered');
      expect(await isFree(id)).toBe(true);
    });

    it('stops waiting once there is an answer', async () => {
      const held = await other.sessions.lock(id);
      let asked = 0;
      const meanwhile = async () => ((asked += 1) === 3 ? 'answered' : undefined);
      const work = async () => 'worked';
      expect(await whileHolding(one.sessions, id, { waitMs: 60_000, meanwhile }, work)).toBe('answered');
      await held!.release();
    });
  });

  describe('whileHoldingCurrent', () => {
    const waiting = { waitMs: 60_000 };

    it('finds nothing under a credential that opens no session', async () => {
      const work = async () => 'worked';
      expect(await whileHoldingCurrent(one.sessions, 'token-of-nobody_', waiting, work)).toBeUndefined();
    });

    it('holds the session under the credential that it has now', async () => {
      const first = (await one.loggedIn('ada')).accessToken;
      const tokens = [first];
      while (tokens.length < 4) tokens.push((await one.refreshed(tokens.at(-1)!)).accessToken);
      for (const token of tokens) {
        const held = await whileHoldingCurrent(other.sessions, token, waiting, async (found) => ({
          ...found,
          isFree: await isFree(credentialId(tokens[3]!)),
        }));
        expect(held).toMatchObject({
          credential: tokens[3],
          session: { subject: 'auth0|ada' },
          isFree: false,
        });
      }
      expect(await isFree(credentialId(tokens[3]!))).toBe(true);
    });

    it('gives back what the work gives back, though that is nothing', async () => {
      const { accessToken } = await one.loggedIn('ada');
      let works = 0;
      const work = async () => void (works += 1);
      expect(await whileHoldingCurrent(one.sessions, accessToken, waiting, work)).toBeUndefined();
      expect(works).toBe(1);
    });

    it('follows the session that was refreshed while its lock was waited for', async () => {
      const { accessToken } = await one.loggedIn('ada');
      const refresh = new Operation(() => one.refreshed(accessToken), {
        at: 'issuer.grantRefresh',
        side: 'after',
      });
      await refresh.idle();
      const held: string[] = [];
      const waits = new Operation(() =>
        whileHoldingCurrent(other.sessions, accessToken, waiting, async ({ credential }) =>
          held.push(credential),
        ),
      );
      await waits.idle();
      expect(held).toEqual([]);
      refresh.goOn();
      const outcome = await refresh.outcome;
      await waits.outcome;
      expect(held).toEqual('value' in outcome ? [outcome.value.accessToken] : []);
    });

    it('finds nothing when the session was ended while its lock was waited for', async () => {
      const { accessToken } = await one.loggedIn('ada');
      const logOut = new Operation(() => one.logOut.execute(accessToken), {
        at: 'issuer.revoke',
        side: 'before',
      });
      await logOut.idle();
      let works = 0;
      const waits = new Operation(() =>
        whileHoldingCurrent(other.sessions, accessToken, waiting, async () => (works += 1)),
      );
      await waits.idle();
      logOut.goOn();
      expect(await logOut.outcome).toEqual({ value: { ended: true } });
      expect(await waits.outcome).toEqual({ value: undefined });
      expect(works).toBe(0);
    });

    it('gives up after the time that there is to wait', async () => {
      const { accessToken } = await one.loggedIn('ada');
      const lock: SessionLock | undefined = await other.sessions.lock(credentialId(accessToken));
      const tried = whileHoldingCurrent(one.sessions, accessToken, { waitMs: 0 }, async () => 'worked');
      await expect(tried).rejects.toThrow(Busy);
      await lock!.release();
    });
  });
});
