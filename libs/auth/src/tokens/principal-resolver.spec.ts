import { createCache } from 'cache-manager';
import { openStore, StoreUnavailable, type SharedStore } from '@app/store';
import {
  EPOCH_CHANNEL,
  epochKey,
  GENERATION_KEY,
  parseEpochMessage,
  principalKey,
  subjectKey,
  type Principal,
  type Verdict,
} from '@app/contract';
import { UserTokenUnavailable } from '@app/user-token-client';
import { asToken } from '@app/test-support/issuer/as-token';
import { giveGeneration } from '@app/test-support/redis/store-generation';
import { credentialsOf } from '../cache/cache-keys.js';
import { nestCacheOver } from '../cache/nest-cache.js';
import { ProcessTokenCache } from '../cache/process-token-cache.js';
import { SharedTokenCache } from '../cache/shared-token-cache.js';
import { Clock } from './clock.js';
import { PrincipalResolver } from './principal-resolver.js';
import { TokenVerifier } from './token-verifier.js';

const SUBJECT = 'auth0|ada';
const NOW_SECONDS = 1_800_000_000;
const TTL_SECONDS = 300;
const part = (content: object) => Buffer.from(JSON.stringify(content)).toString('base64url');
const TOKEN = asToken(`${part({ alg: 'RS256' })}.${part({ sub: SUBJECT })}.c2lu`);
const KEY = principalKey(TOKEN);
const ANOTHER = asToken('another-token-16');

const principal: Principal = {
  subject: SUBJECT,
  clientId: 'web',
  scopes: ['read'],
  permissions: [],
  issuer: 'https://issuer.test/',
  audience: ['https://api.test/'],
  issuedAtSeconds: NOW_SECONDS,
  expiresAtSeconds: NOW_SECONDS + 3_600,
  claims: {},
};

class MovedClock extends Clock {
  seconds = NOW_SECONDS;
  override nowSeconds(): number {
    return this.seconds;
  }
}

interface Question {
  readonly token: string;
  readonly requestId: string | undefined;
  answer(verdict: Verdict): void;
  fail(error: Error): void;
}

/** Each of its answers is given by the spec. */
class HandVerifier extends TokenVerifier {
  readonly questions: Question[] = [];
  override verify(token: string, { requestId }: { requestId?: string | undefined }): Promise<Verdict> {
    return new Promise((answer, fail) => this.questions.push({ token, requestId, answer, fail }));
  }
}

describe('PrincipalResolver', () => {
  let store: SharedStore;
  let clock: MovedClock;
  let verifier: HandVerifier;
  let generation: string;

  beforeEach(async () => {
    store = openStore('memory:');
    clock = new MovedClock();
    verifier = new HandVerifier();
    generation = await giveGeneration(store);
  });

  afterEach(() => store.close());

  /** The guard's part in a process that has asked its store before, and so hears of revocations. */
  async function start() {
    const feed = { live: true };
    const process = new ProcessTokenCache({ maxBytes: 1_000_000, ttlSeconds: TTL_SECONDS }, feed);
    store.subscribe(EPOCH_CHANNEL, (message) => process.onEpoch(parseEpochMessage(message)!));
    const options = { secret: 'a-secret-that-seals-the-token-cache-entries', ttlSeconds: TTL_SECONDS };
    const shared = new SharedTokenCache(
      store,
      createCache({ stores: [nestCacheOver(store)] }),
      options,
      clock,
    );
    const resolver = new PrincipalResolver(verifier, { process, shared }, { ttlMs: 60_000, max: 10 }, clock);
    await shared.read(principalKey(ANOTHER), ANOTHER);
    return {
      feed,
      process,
      resolver,
      resolve: (requestId?: string) => resolver.resolve(KEY, TOKEN, requestId),
      known: () => resolver.known(credentialsOf(TOKEN), clock.seconds),
    };
  }

  /** The questions that have been asked by the time that nothing moves any more. */
  async function asked(count: number): Promise<readonly Question[]> {
    for (let i = 0; i < 10; i += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(verifier.questions).toHaveLength(count);
    return verifier.questions;
  }
  const active = (epoch: string | null = ''): Verdict => ({ active: true, principal, epoch, generation });
  async function revoke(epoch = 'e1'): Promise<void> {
    const message = JSON.stringify({ subjectKey: subjectKey(SUBJECT), epoch });
    await store.writeAll([
      { op: 'set', key: epochKey(SUBJECT), value: epoch, ttlMs: 60_000 },
      { op: 'publish', channel: EPOCH_CHANNEL, message },
    ]);
  }
  /** What the others have to find in Redis. */
  const stored = async () => (await store.getMany([KEY]))[0] !== null;

  it('asks user-token once, and then knows the token in this process and in every other', async () => {
    const [one, other] = [await start(), await start()];
    const resolved = one.resolve('request-7');
    const [question] = await asked(1);
    expect(question).toMatchObject({ token: TOKEN, requestId: 'request-7' });
    question!.answer(active());
    expect(await resolved).toEqual({ active: true, principal, epoch: '' });
    expect(one.known()).toEqual(principal);
    expect(other.known()).toBeUndefined();
    expect(await other.resolve()).toEqual({ active: true, principal, epoch: '' });
    expect(other.known()).toEqual(principal);
    await asked(1);
  });

  it('asks once for all that wait, and gives them the same frozen principal', async () => {
    const one = await start();
    const waiting = [one.resolve(), one.resolve(), one.resolve()];
    (await asked(1))[0]!.answer(active());
    const principals = (await Promise.all(waiting)).map((verdict) => verdict.active && verdict.principal);
    expect(new Set(principals).size).toBe(1);
    expect(Object.isFrozen(principals[0])).toBe(true);
    expect(one.known()).toBe(principals[0]);
  });

  it('remembers a refusal with its reason, and caches it nowhere else', async () => {
    const one = await start();
    const waiting = [one.resolve(), one.resolve()];
    (await asked(1))[0]!.answer({ active: false, reason: 'expired' });
    for (const verdict of await Promise.all(waiting))
      expect(verdict).toEqual({ active: false, reason: 'expired' });
    expect(one.resolver.refusedLately(KEY)).toBe('expired');
    expect(one.resolver.refusedLately(principalKey(ANOTHER))).toBeUndefined();
    expect(await stored()).toBe(false);
    expect(one.known()).toBeUndefined();
  });

  it('passes an outage on to all that wait, and remembers nothing of it', async () => {
    const one = await start();
    const waiting = [one.resolve(), one.resolve()].map((resolved) => resolved.catch((error: Error) => error));
    const outage = new UserTokenUnavailable('timeout', 'no answer');
    (await asked(1))[0]!.fail(outage);
    expect(await Promise.all(waiting)).toEqual([outage, outage]);
    expect(one.resolver.refusedLately(KEY)).toBeUndefined();
    const again = one.resolve();
    (await asked(2))[1]!.answer(active());
    expect(await again).toMatchObject({ active: true });
  });

  describe('when the user is revoked while user-token is asked', () => {
    it('asks again, for all that wait, and keeps nothing of the first verdict', async () => {
      const one = await start();
      const waiting = [one.resolve(), one.resolve()];
      const [first] = await asked(1);
      await revoke();
      first!.answer(active());
      for (const question of (await asked(3)).slice(1)) question.answer({ active: false, reason: 'revoked' });
      for (const verdict of await Promise.all(waiting)) expect(verdict).toMatchObject({ reason: 'revoked' });
      expect(one.known()).toBeUndefined();
    });

    it('takes a verdict that was reached after it', async () => {
      const one = await start();
      const resolved = one.resolve();
      const [first] = await asked(1);
      await revoke();
      first!.answer(active('e1'));
      expect(await resolved).toEqual({ active: true, principal, epoch: 'e1' });
      expect(one.known()).toEqual(principal);
      await asked(1);
    });

    it('finds no entry of before in Redis', async () => {
      const [one, other] = [await start(), await start()];
      const resolved = one.resolve();
      (await asked(1))[0]!.answer(active());
      await resolved;
      await revoke();
      const again = other.resolve();
      (await asked(2))[1]!.answer({ active: false, reason: 'revoked' });
      expect(await again).toEqual({ active: false, reason: 'revoked' });
      expect(one.known()).toBeUndefined();
    });
  });

  it('of a verdict without an epoch lets only its own request in, and keeps nothing', async () => {
    const one = await start();
    const [first, second] = [one.resolve(), one.resolve()];
    (await asked(1))[0]!.answer(active(null));
    expect(await first).toEqual({ active: true, principal, epoch: null });
    // The second came later: a log-out may have come in between.
    (await asked(2))[1]!.answer({ active: false, reason: 'revoked' });
    expect(await second).toEqual({ active: false, reason: 'revoked' });
    expect(one.known()).toBeUndefined();
    expect(await stored()).toBe(false);
  });

  it('counts the life of a verdict from the question on', async () => {
    const [one, other] = [await start(), await start()];
    const resolved = one.resolve();
    await asked(1);
    clock.seconds += 100;
    verifier.questions[0]!.answer(active());
    await resolved;
    clock.seconds += TTL_SECONDS - 101;
    expect(one.known()).toBeDefined();
    expect(await other.resolve()).toMatchObject({ active: true });
    clock.seconds += 1;
    expect(one.known()).toBeUndefined();
    expect(other.known()).toBeUndefined();
  });

  describe('where revocations would be missed', () => {
    it('because there is no store asks for each request', async () => {
      const resolver = new PrincipalResolver(verifier, undefined, { ttlMs: 60_000, max: 10 }, clock);
      const waiting = [resolver.resolve(KEY, TOKEN, 'a'), resolver.resolve(KEY, TOKEN, 'b')];
      const questions = await asked(2);
      expect(questions.map(({ requestId }) => requestId)).toEqual(['a', 'b']);
      for (const question of questions) question.answer(active());
      for (const verdict of await Promise.all(waiting)) expect(verdict).toMatchObject({ active: true });
      expect(resolver.known(credentialsOf(TOKEN), clock.seconds)).toBeUndefined();
      expect(resolver.hearsOfRevocations).toBe(false);
    });

    it('because the feed is lost asks for each request, and does not know it in this process', async () => {
      const one = await start();
      const first = one.resolve();
      (await asked(1))[0]!.answer(active());
      await first;
      await store.delete(KEY);
      one.feed.live = false;
      expect(one.resolver.hearsOfRevocations).toBe(false);
      const waiting = [one.resolve(), one.resolve()];
      for (const question of (await asked(3)).slice(1)) question.answer(active());
      await Promise.all(waiting);
      expect(one.known()).toBeUndefined();
    });

    it('because the feed was lost meanwhile does not keep the verdict in this process', async () => {
      const one = await start();
      const resolved = one.resolve();
      const [question] = await asked(1);
      one.process.onFeedChange();
      question!.answer(active());
      expect(await resolved).toMatchObject({ active: true });
      expect(one.known()).toBeUndefined();
    });

    it('because user-token has given the store no generation keeps nothing', async () => {
      await store.delete(GENERATION_KEY);
      const one = await start();
      for (let i = 0; i < 2; i += 1) {
        const resolved = one.resolve();
        (await asked(i + 1))[i]!.answer(active());
        expect(await resolved).toMatchObject({ active: true });
      }
      expect(one.known()).toBeUndefined();
      expect(await stored()).toBe(false);
      expect(one.resolver.hearsOfRevocations).toBe(false);
    });

    it('because user-token keeps another store keeps nothing', async () => {
      const one = await start();
      const resolved = one.resolve();
      (await asked(1))[0]!.answer({ active: true, principal, epoch: '', generation: 'another/x/0/0' });
      expect(await resolved).toMatchObject({ active: true });
      expect(one.known()).toBeUndefined();
      expect(await stored()).toBe(false);
    });
  });

  describe('while Redis', () => {
    it('gives no answer, asks user-token, and keeps nothing in Redis', async () => {
      const one = await start();
      const first = one.resolve();
      (await asked(1))[0]!.answer(active());
      await first;
      const entry = (await store.getMany([KEY]))[0];
      expect(entry).not.toBeNull();
      one.process.onFeedChange();
      store.getMany = () => Promise.reject(new StoreUnavailable('no answer'));
      const second = one.resolve();
      (await asked(2))[1]!.answer(active());
      expect(await second).toMatchObject({ active: true });
      Reflect.deleteProperty(store, 'getMany');
      expect(one.known()).toEqual(principal);
    });

    it('takes no write, answers all the same', async () => {
      const one = await start();
      store.set = () => Promise.reject(new StoreUnavailable('full'));
      const resolved = one.resolve();
      (await asked(1))[0]!.answer(active());
      expect(await resolved).toMatchObject({ active: true });
      Reflect.deleteProperty(store, 'set');
      expect(one.known()).toEqual(principal);
      expect(await stored()).toBe(false);
    });

    it('shows a fault of ours, passes it on', async () => {
      const one = await start();
      store.getMany = () => Promise.reject(new TypeError('a bug'));
      await expect(one.resolve()).rejects.toThrow('a bug');
      Reflect.deleteProperty(store, 'getMany');
      await asked(0);
    });
  });
});
