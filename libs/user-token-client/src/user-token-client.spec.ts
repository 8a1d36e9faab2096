import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { Logger } from '@nestjs/common';
import { MAX_TOKEN_LENGTH, type VerifyBatch } from '@app/contract';
import { asToken } from '@app/test-support/issuer/as-token';
import { FaultProxy } from '@app/test-support/network/fault-proxy';
import { freePort } from '@app/test-support/redis/redis-server';
import { active, startFakeUserToken, type FakeUserToken } from '@app/test-support/suite/fake-user-token';
import { MachinePauses } from '@app/test-support/timing/machine-pauses';
import { until } from '@app/test-support/timing/until';
import { FrameSocket, parseReplicaAddresses } from '@app/wire';
import { UserTokenClient, UserTokenUnavailable } from './index.js';

const asked = (accessToken: string) => ({ accessToken: asToken(accessToken) });
const TOKEN = asked('opaque-token-00000001');

describe('UserTokenClient', () => {
  let machine: MachinePauses;
  const clients: UserTokenClient[] = [];
  const servers: { stop(): Promise<void> }[] = [];

  beforeAll(async () => {
    machine = await MachinePauses.watch();
  });

  afterAll(() => machine.stop());

  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    await Promise.all(servers.splice(0).map((server) => server.stop()));
  });

  const clientOf = (...urls: string[]) => {
    const client = new UserTokenClient({ urls: urls.join(','), verifyTimeoutMs: 400, sessionTimeoutMs: 300 });
    clients.push(client);
    return client;
  };
  const patientClientOf = (...urls: string[]) => {
    const client = new UserTokenClient({ urls: urls.join(','), verifyTimeoutMs: 60_000 });
    clients.push(client);
    return client;
  };
  const replica = async (port = 0): Promise<FakeUserToken> => {
    const fake = await startFakeUserToken(port);
    fake.behave(() => active());
    servers.push(fake);
    return fake;
  };

  interface RawCall {
    readonly socket: Socket;
    readonly pattern: string;
    readonly data: unknown;
    readonly id: string;
    readonly reply: (answer: object) => void;
  }

  /** A replica that sends a given answer, well-formed or not; it answers pings like the previous version. */
  async function rawReplica(answer: (call: RawCall) => void): Promise<string> {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      const frames = new FrameSocket(socket, { maxChars: 1_000_000, accepts: () => true });
      frames.on('message', ({ pattern, data, id }: RawCall) => {
        const reply = (message: object) => frames.sendMessage({ id, ...message });
        if (pattern === 'ping') reply({ response: true, isDisposed: true });
        else answer({ socket, pattern, data, id, reply });
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    servers.push({
      stop: () => {
        for (const socket of sockets) socket.destroy();
        return new Promise((resolve) => server.close(() => resolve()));
      },
    });
    return `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  it('returns a verdict, refusals included, as a value', async () => {
    const fake = await replica();
    const client = clientOf(fake.url);
    expect(await client.verify(TOKEN)).toMatchObject({ active: true, principal: { subject: 'auth0|ada' } });
    fake.behave(() => ({ active: false, reason: 'expired' }));
    expect(await client.verify(TOKEN)).toEqual({ active: false, reason: 'expired' });
  });

  it.each<[string, (fake: FakeUserToken) => void, object]>([
    [
      'user-token says so',
      (fake) => fake.behave(() => ({ code: 'denials_unknown', message: 'm', retryAfterSeconds: 9 })),
      { code: 'denials_unknown', retryAfterSeconds: 9 },
    ],
    [
      'user-token is busy with other requests',
      (fake) => fake.behave(() => ({ code: 'busy', message: 'm', retryAfterSeconds: 3 })),
      { code: 'busy', retryAfterSeconds: 3 },
    ],
    ['it does not answer', (fake) => fake.behave(() => 'silence'), { code: 'timeout' }],
    [
      'a handler throws',
      (fake) => fake.behave(() => Promise.reject(new Error('canary'))),
      { code: 'protocol' },
    ],
    [
      'the message holds something else',
      (fake) => fake.behave(() => ({ code: 'canary', message: 'canary' }) as never),
      { code: 'protocol' },
    ],
    ['the answer is missing', (fake) => fake.behave(() => 'nothing'), { code: 'protocol' }],
    [
      'the answer is not of the contract',
      (fake) => fake.behave(() => ({ active: 'yes' }) as never),
      { code: 'protocol' },
    ],
    [
      'a principal lacks its subject',
      (fake) => fake.behave(() => active({ subject: '' })),
      { code: 'protocol' },
    ],
  ])('rejects with UserTokenUnavailable when %s', async (_title, arrange, expected) => {
    const fake = await replica();
    arrange(fake);
    const verifying = clientOf(fake.url).verify(TOKEN);
    await expect(verifying).rejects.toThrow(UserTokenUnavailable);
    await expect(verifying).rejects.toMatchObject(expected);
    await expect(verifying).rejects.not.toThrow(/canary/);
  });

  describe('asked about many tokens at once', () => {
    const tokens = (count: number, length = 20) =>
      Array.from({ length: count }, (_, index) => `${index}-`.padStart(length, 'a'));

    it('sends one message and gives every caller its own answer', async () => {
      const fake = await replica();
      fake.behave((accessToken) => active({ subject: `auth0|${accessToken}` }));
      const client = clientOf(fake.url);
      const verdicts = await Promise.all(tokens(30).map((accessToken) => client.verify(asked(accessToken))));
      expect(verdicts).toMatchObject(
        tokens(30).map((token) => ({ principal: { subject: `auth0|${token}` } })),
      );
      expect(fake.messages).toBe(1);
    });

    it('answers each caller without waiting for the slowest', async () => {
      const fake = await replica();
      fake.behave((accessToken) => (accessToken === 'slow' ? 'silence' : active()));
      const client = clientOf(fake.url);
      const slow = client.verify(asked('slow'));
      expect(await client.verify(TOKEN)).toMatchObject({ active: true });
      expect(fake.messages).toBe(1);
      await expect(slow).rejects.toMatchObject({ code: 'timeout' });
    });

    it('reports to each its own failure', async () => {
      const fake = await replica();
      fake.behave((accessToken) =>
        accessToken === 'bad' ? { code: 'denials_unknown', message: 'm', retryAfterSeconds: 9 } : active(),
      );
      const client = clientOf(fake.url);
      const [bad, good] = await Promise.allSettled([client.verify(asked('bad')), client.verify(TOKEN)]);
      expect(bad).toMatchObject({
        status: 'rejected',
        reason: { code: 'denials_unknown', retryAfterSeconds: 9 },
      });
      expect(good).toMatchObject({ status: 'fulfilled', value: { active: true } });
    });

    it.each([
      ['a token that is too long', asked('a'.repeat(12_289))],
      ['a request id that is too long', { ...TOKEN, requestId: 'r'.repeat(65) }],
    ])('does not let others suffer for %s', async (_title, request) => {
      const client = clientOf((await replica()).url);
      const [bad, good] = await Promise.allSettled([client.verify(request), client.verify(TOKEN)]);
      expect(bad).toMatchObject({ status: 'rejected', reason: { code: 'invalid_payload' } });
      expect(good).toMatchObject({ status: 'fulfilled', value: { active: true } });
    });

    it('sends at most what user-token accepts in one message', async () => {
      const fake = await replica();
      const client = clientOf(fake.url);
      const verdicts = await Promise.all(
        [...tokens(300), ...tokens(20, 12_288)].map((accessToken) => client.verify(asked(accessToken))),
      );
      expect(verdicts.every(({ active }) => active)).toBe(true);
      expect(fake.asked).toHaveLength(320);
    });

    it('asks another replica about all questions that one left open', async () => {
      const [gone, one] = [await startFakeUserToken(), await replica()];
      let answered = 0;
      gone.behave(() =>
        (answered += 1) <= 5 ? active() : new Promise(() => void gone.stop().catch(() => undefined)),
      );
      const client = clientOf(gone.url, one.url);
      const verdicts = await Promise.all(tokens(40).map((accessToken) => client.verify(asked(accessToken))));
      expect(verdicts.every(({ active }) => active)).toBe(true);
    });
  });

  describe('of a service one version behind user-token, or ahead of it', () => {
    const login = { username: 'ada', password: 'x' };
    const denied = { granted: false, error: 'access_denied' };

    it.each<[string, object]>([
      ['an error', { granted: false, error: 'brand_new' }],
      ['a field', { ...denied, brandNew: 1 }],
      ['an outcome', { granted: 'perhaps', token: { accessToken: 'x', expiresInSeconds: 1, scope: '' } }],
    ])('takes %s that it does not know for no answer, and never for a grant', async (_title, result) => {
      const fake = await replica();
      fake.grants(result);
      const client = clientOf(fake.url);
      await expect(client.login(login)).rejects.toMatchObject({ code: 'protocol' });
      await expect(client.refresh(TOKEN)).rejects.toMatchObject({ code: 'protocol' });
    });

    it.each([
      ['without a description, as one that hides it', denied],
      ['with one', { ...denied, description: 'Only on weekdays' }],
      ['of before there were denials', { granted: false, error: 'invalid_grant' }],
    ])('takes a refusal %s', async (_title, result) => {
      const fake = await replica();
      fake.grants(result);
      expect(await clientOf(fake.url).login(login)).toEqual(result);
    });
  });

  it('rejects when there is no handler for the call', async () => {
    const fake = await replica();
    await expect(clientOf(fake.url).logout(TOKEN)).rejects.toMatchObject({ code: 'protocol' });
  });

  it('rejects when no process listens', async () => {
    const verifying = clientOf(`tcp://127.0.0.1:${await freePort()}`).verify(TOKEN);
    await expect(verifying).rejects.toMatchObject({ code: 'unreachable', cause: expect.anything() });
  });

  describe('says of a failed call whether it may have reached user-token', () => {
    const failureAt = async (url: string) => clientOf(url).login({ username: 'ada', password: 'x' });
    const nowhere = async () => `tcp://127.0.0.1:${await freePort()}`;

    it.each<[string, boolean, () => Promise<string>]>([
      ['where no process listens', false, nowhere],
      ['where the connection is lost', true, () => rawReplica(({ socket }) => socket.destroy())],
      ['where no answer comes in time', true, () => rawReplica(() => undefined)],
      [
        'where user-token fails',
        true,
        () => rawReplica(({ reply }) => reply({ err: { code: 'internal', message: 'm' }, isDisposed: true })),
      ],
    ])('%s: %p', async (_title, sent, start) => {
      await expect(failureAt(await start())).rejects.toMatchObject({ sent });
    });

    it('where the client is closed: false', async () => {
      const client = clientOf(await nowhere());
      client.close();
      await expect(client.logout(TOKEN)).rejects.toMatchObject({ code: 'unreachable', sent: false });
    });
  });

  it('sends no message that user-token would close the connection for', async () => {
    const calls: RawCall[] = [];
    const url = await rawReplica((call) => {
      calls.push(call);
      call.reply({ response: { outcome: 'unknown' }, isDisposed: true });
    });
    const client = clientOf(url);
    const revoke = (token: string) => client.revokeToken({ token, clientId: 'shop' });
    const tooLong = { code: 'invalid_payload', sent: false };
    await expect(revoke('\u0001'.repeat(MAX_TOKEN_LENGTH))).rejects.toMatchObject(tooLong);
    expect(calls).toEqual([]);
    expect(await revoke('a'.repeat(MAX_TOKEN_LENGTH))).toEqual({ outcome: 'unknown' });
  });

  it('rejects when garbage comes back, and does not repeat it', async () => {
    const server: Server = createServer((socket) => socket.resume().end('zzz-canary#{}'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    servers.push({ stop: () => new Promise((resolve) => server.close(() => resolve())) });
    const verifying = clientOf(`tcp://127.0.0.1:${(server.address() as AddressInfo).port}`).verify(TOKEN);
    await expect(verifying).rejects.toThrow(UserTokenUnavailable);
    await expect(verifying).rejects.not.toThrow(/canary/);
  });

  it('reconnects by itself after a restart', async () => {
    const port = await freePort();
    const client = clientOf(`tcp://127.0.0.1:${port}`);
    const first = await startFakeUserToken(port);
    first.behave(() => active());
    await client.verify(TOKEN);
    await first.stop();
    await expect(client.verify(TOKEN)).rejects.toMatchObject({ code: 'unreachable' });
    await replica(port);
    expect(await client.verify(TOKEN)).toMatchObject({ active: true });
  });

  it('uses replicas in turn', async () => {
    const [one, other] = [await replica(), await replica()];
    const client = clientOf(one.url, other.url);
    for (let i = 0; i < 10; i += 1) await client.verify(TOKEN);
    expect([one.asked.length, other.asked.length]).toEqual([5, 5]);
  });

  it('goes to another replica when one is gone, and its caller does not notice', async () => {
    const [one, gone] = [await replica(), await startFakeUserToken()];
    gone.behave(() => active());
    const client = clientOf(gone.url, one.url);
    await client.verify(TOKEN);
    await gone.stop();
    for (let i = 0; i < 10; i += 1) expect(await client.verify(TOKEN)).toMatchObject({ active: true });
  });

  it('goes to another replica when one is frozen, long before the deadline', async () => {
    const [one, frozen] = [await replica(), await replica()];
    frozen.freeze();
    const client = new UserTokenClient({ urls: `${frozen.url},${one.url}`, verifyTimeoutMs: 60_000 });
    clients.push(client);
    for (let i = 0; i < 4; i += 1) expect(await client.verify(TOKEN)).toMatchObject({ active: true });
  });

  it('sends a call to a replica that was frozen only after a sign of life', async () => {
    const [one, frozen] = [await replica(), await replica()];
    const client = new UserTokenClient({ urls: `${frozen.url},${one.url}`, verifyTimeoutMs: 60_000 });
    clients.push(client);
    frozen.freeze();
    for (let i = 0; i < 2; i += 1) await client.verify(TOKEN);
    const askedInVain = frozen.asked.length;
    const untilMs = performance.now() + 2_500;
    while (performance.now() < untilMs) {
      expect(await client.verify(TOKEN)).toMatchObject({ active: true });
      await delay(20);
    }
    expect(frozen.asked).toHaveLength(askedInVain);
    frozen.thaw(() => active());
    await until(async () => {
      await client.verify(TOKEN);
      return frozen.asked.length > askedInVain;
    });
  });

  it('keeps to the replica that answers when its connection is lost while the other one is frozen', async () => {
    const [one, frozen] = [await replica(), await replica()];
    const proxy = await FaultProxy.start(one.port);
    servers.push(proxy);
    const client = clientOf(frozen.url, `tcp://127.0.0.1:${proxy.port}`);
    frozen.freeze();
    for (let i = 0; i < 2; i += 1) await client.verify(TOKEN);
    const verifying = client.verify(TOKEN);
    proxy.reset();
    await verifying;
    for (let i = 0; i < 20; i += 1) expect(await client.verify(TOKEN)).toMatchObject({ active: true });
  });

  it('reconnects when its connection is silent and the process is well', async () => {
    const fake = await replica();
    const proxy = await FaultProxy.start(fake.port);
    servers.push(proxy);
    const client = patientClientOf(`tcp://127.0.0.1:${proxy.port}`);
    await client.verify(TOKEN);
    proxy.strand();
    await expect(client.verify(TOKEN)).rejects.toMatchObject({ code: 'timeout' });
    await until(() =>
      client.verify(TOKEN).then(
        ({ active: isActive }) => isActive,
        () => false,
      ),
    );
  });

  it('fails calls under way when it is closed, and does not reconnect', async () => {
    const fake = await replica();
    const proxy = await FaultProxy.start(fake.port);
    servers.push(proxy);
    const client = clientOf(`tcp://127.0.0.1:${proxy.port}`);
    await client.verify(TOKEN);
    fake.behave(() => 'silence');
    const verifying = client.verify(TOKEN);
    await until(() => fake.asked.length === 2);
    client.close();
    await expect(verifying).rejects.toMatchObject({ code: 'unreachable' });
    await until(() => proxy.connections === 0);
    await delay(100);
    expect(proxy.connections).toBe(0);
  });

  it('detects all frozen replicas in the time for one', async () => {
    const frozen = [await replica(), await replica(), await replica()];
    const client = new UserTokenClient({
      urls: frozen.map(({ url }) => url).join(','),
      verifyTimeoutMs: 60_000,
    });
    clients.push(client);
    for (let i = 0; i < 3; i += 1) await client.verify(TOKEN);
    for (const fake of frozen) fake.freeze();
    const startedAtMs = performance.now();
    await expect(client.verify(TOKEN)).rejects.toMatchObject({ code: 'timeout' });
    expect(machine.tookMs(startedAtMs)).toBeLessThan(400);
  });

  it('gives up on frozen processes just as soon when calls have waited for longer', async () => {
    const [one, other] = [await replica(), await replica()];
    const client = patientClientOf(one.url, other.url);
    for (const fake of [one, other]) fake.behave(() => 'silence');
    const waiting = client.verify(TOKEN).catch(({ code }) => code as string);
    // Well after the answer to the first ping.
    await delay(400);
    for (const fake of [one, other]) fake.freeze();
    const frozenAtMs = performance.now();
    expect(await waiting).toBe('timeout');
    expect(machine.tookMs(frozenAtMs)).toBeLessThan(500);
  });

  /** Busy with other work: it answers neither pings nor calls for this time. */
  const isBusyFor = (fake: FakeUserToken, ms: number) => {
    fake.freeze();
    fake.behave(() => delay(ms, active()));
    fake.grants(delay(ms, { granted: false, error: 'invalid_grant' }));
  };
  const logIn = { username: 'u', password: 'p' };

  it('waits for the only process while it is too busy for a sign of life', async () => {
    const fake = await replica();
    const client = patientClientOf(fake.url);
    await client.verify(TOKEN);
    isBusyFor(fake, 600);
    const answers = Promise.all([client.verify(TOKEN), client.login(logIn)]);
    await expect(answers).resolves.toMatchObject([{ active: true }, { granted: false }]);
  });

  it('waits for the process that got a log-in, because no other may repeat it', async () => {
    const replicas = [await replica(), await replica()];
    const client = patientClientOf(...replicas.map(({ url }) => url));
    for (let i = 0; i < 2; i += 1) await client.verify(TOKEN);
    for (const fake of replicas) isBusyFor(fake, 600);
    const answer = client.login(logIn);
    await expect(client.verify(TOKEN)).rejects.toMatchObject({ code: 'timeout' });
    await expect(answer).resolves.toMatchObject({ granted: false });
  });

  it('gives up on a frozen process, and waits for one that is only slow', async () => {
    const fake = await replica();
    const client = new UserTokenClient({ urls: fake.url, verifyTimeoutMs: 60_000 });
    clients.push(client);
    fake.behave(() => new Promise((resolve) => setTimeout(() => resolve(active()), 1_500)));
    expect(await client.verify(TOKEN)).toMatchObject({ active: true });
    fake.freeze();
    for (const withinMs of [1_500, 500]) {
      const askedAtMs = performance.now();
      await expect(client.verify(TOKEN)).rejects.toMatchObject({ code: 'timeout' });
      expect(machine.tookMs(askedAtMs)).toBeLessThan(withinMs);
    }
  });

  it('does not count its own pause as silence of the other side', async () => {
    const fake = await replica();
    const client = new UserTokenClient({ urls: fake.url, verifyTimeoutMs: 60_000 });
    clients.push(client);
    await client.verify(TOKEN);
    fake.behave(() => new Promise((resolve) => setTimeout(() => resolve(active()), 600)));
    const verifying = client.verify(TOKEN);
    await new Promise((resolve) => setTimeout(resolve, 90));
    const pausedUntil = Date.now() + 400;
    while (Date.now() < pausedUntil);
    expect(await verifying).toMatchObject({ active: true });
  });

  describe('when one is slow', () => {
    const frozenOf = async () => {
      const frozen = await replica();
      frozen.freeze();
      return frozen;
    };

    it.each<[string, () => Promise<string>]>([
      ['frozen', async () => (await frozenOf()).url],
      ['gone', async () => `tcp://127.0.0.1:${await freePort()}`],
    ])('waits for 100 of 100 verdicts that take 2.5 s while the other one is %s', async (_title, other) => {
      const slow = await replica();
      slow.behave((accessToken) => delay(2_500, active({ subject: accessToken })));
      const client = new UserTokenClient({ urls: [slow.url, await other()].join(',') });
      clients.push(client);
      const subjects = Array.from({ length: 100 }, (_, i) => `opaque-${i}`);
      const verdicts = await Promise.all(subjects.map((accessToken) => client.verify(asked(accessToken))));
      expect(verdicts).toMatchObject(subjects.map((subject) => ({ active: true, principal: { subject } })));
    });

    it.each<[string, () => Promise<string>]>([
      ['frozen', async () => (await frozenOf()).url],
      ['gone', async () => `tcp://127.0.0.1:${await freePort()}`],
    ])('keeps to it for what it answers in time while the other one is %s', async (_title, other) => {
      const slow = await replica();
      slow.behave((accessToken) => (accessToken === 'slow' ? 'silence' : active()));
      const client = new UserTokenClient({
        urls: [slow.url, await other()].join(','),
        verifyTimeoutMs: 1_500,
      });
      clients.push(client);
      // Until the other one has proved useless.
      for (let i = 0; i < 2; i += 1) await client.verify(TOKEN);
      const late: Promise<unknown>[] = [];
      for (let i = 0; i < 100; i += 1) {
        if (i % 10 === 0) late.push(client.verify(asked('slow')).catch(({ code }) => code as string));
        expect(await client.verify(TOKEN)).toMatchObject({ active: true });
        await delay(20);
      }
      expect(new Set(await Promise.all(late))).toEqual(new Set(['timeout']));
      for (let i = 0; i < 20; i += 1) expect(await client.verify(TOKEN)).toMatchObject({ active: true });
    });

    it('does not ask another one after its own deadline', async () => {
      const [slow, other] = [await replica(), await replica()];
      for (const fake of [slow, other]) fake.behave(() => 'silence');
      await expect(clientOf(slow.url, other.url).verify(TOKEN)).rejects.toMatchObject({ code: 'timeout' });
      expect(slow.asked.length + other.asked.length).toBe(1);
    });

    it('does not ask another one with too little time left', async () => {
      const [slow, other] = [
        await rawReplica(({ socket }) => setTimeout(() => socket.destroy(), 350)),
        await replica(),
      ];
      const client = clientOf(slow, other.url);
      const [first, second] = await Promise.allSettled([client.verify(TOKEN), client.verify(TOKEN)]);
      expect([first.status, second.status].sort()).toEqual(['fulfilled', 'rejected']);
      expect(other.asked).toHaveLength(1);
    });

    it('does not count it as silent while it answers other calls but no ping', async () => {
      const busy = await replica();
      const client = new UserTokenClient({ urls: busy.url, verifyTimeoutMs: 60_000 });
      clients.push(client);
      await client.verify(TOKEN);
      busy.freeze();
      busy.behave((accessToken) => delay(accessToken === 'slow' ? 1_500 : 20, active()));
      let slow: unknown;
      void client.verify(asked('slow')).then(
        (verdict) => (slow = verdict),
        (error: unknown) => (slow = error),
      );
      while (slow === undefined) await client.verify(TOKEN);
      expect(slow).toMatchObject({ active: true });
    });

    it('asks about JWTs while many and large opaque tokens wait for their verdicts', async () => {
      const fake = await replica();
      fake.behave((accessToken) => (accessToken.startsWith('slow') ? 'silence' : active()));
      const client = new UserTokenClient({ urls: fake.url, verifyTimeoutMs: 60_000 });
      clients.push(client);
      const waiting = Array.from({ length: 100 }, (_, i) =>
        client.verify(asked(`slow-${i}`.padEnd(8_000, 'a'))).catch(({ code }) => code as string),
      );
      expect(await client.verify(TOKEN)).toMatchObject({ active: true });
      await until(() => fake.asked.length === 101);
      client.close();
      expect(new Set(await Promise.all(waiting))).toEqual(new Set(['unreachable']));
    });
  });

  it('leaves no call waiting when the connection is closed, lost, or never made', async () => {
    const large = (i: number) => asked(`${i}`.padEnd(8_000, 'a'));
    const silent = await rawReplica(() => undefined);
    for (const end of ['close', 'lose'] as const) {
      const proxy = await FaultProxy.start(Number(new URL(silent).port));
      servers.push(proxy);
      const client = new UserTokenClient({ urls: `tcp://127.0.0.1:${proxy.port}`, verifyTimeoutMs: 60_000 });
      clients.push(client);
      const verifying = Array.from({ length: 50 }, (_, i) => client.verify(large(i)).catch(() => 'failed'));
      await until(() => proxy.connections > 0);
      if (end === 'close') client.close();
      // The lost call is tried once more.
      const losing = setInterval(() => proxy.reset(), 20);
      expect(new Set(await Promise.all(verifying))).toEqual(new Set(['failed']));
      clearInterval(losing);
    }
    const unreachable = clientOf(`tcp://127.0.0.1:${await freePort()}`);
    const verifying = Array.from({ length: 50 }, (_, i) =>
      unreachable.verify(large(i)).catch(() => 'failed'),
    );
    expect(new Set(await Promise.all(verifying))).toEqual(new Set(['failed']));
  });

  it('accepts no calls once it is closed', async () => {
    const fake = await replica();
    const client = clientOf(fake.url);
    client.close();
    await expect(client.verify(TOKEN)).rejects.toMatchObject({ code: 'unreachable' });
    expect(fake.asked).toEqual([]);
  });

  describe('asking a replica that mixes up its answers', () => {
    const lines: string[] = [];

    beforeEach(() => {
      lines.length = 0;
      Logger.overrideLogger({
        log: () => undefined,
        warn: () => undefined,
        error: (line: string) => lines.push(line),
      });
    });

    afterEach(() => Logger.overrideLogger(false));

    const named = (accessToken: string, index: number) => ({
      index,
      tokenHash: createHash('sha256').update(accessToken).digest('base64url'),
      verdict: active({ subject: `auth0|${accessToken}` }),
    });
    const verifyBoth = (url: string) => {
      const client = clientOf(url);
      return Promise.allSettled(['ada', 'bob'].map((accessToken) => client.verify(asked(accessToken))));
    };
    const mixingUp = (answers: (tokens: string[]) => object[]) =>
      rawReplica(({ data, reply }) => {
        const tokens = (data as VerifyBatch).requests.map(({ accessToken }) => accessToken);
        reply({ response: { nowMs: Date.now(), answers: answers(tokens) }, isDisposed: true });
      });

    it('never uses the verdict of one token for another, and logs it once', async () => {
      const url = await mixingUp((tokens) => tokens.map((token, i) => named(token, tokens.length - 1 - i)));
      for (let i = 0; i < 3; i += 1) {
        for (const outcome of await verifyBoth(url)) {
          expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'protocol' } });
        }
      }
      expect(lines).toEqual(expect.arrayContaining([expect.stringContaining('about another token')]));
      // One client for each.
      expect(lines).toHaveLength(3);
      expect(lines.join('')).not.toMatch(/ada|bob/);
    });

    it.each<[string, (tokens: string[]) => object[]]>([
      ['a verdict given twice', ([ada]) => [named(ada!, 0), named(ada!, 1)]],
      [
        'a verdict that names no token',
        ([ada, bob]) => [named(ada!, 0), { ...named(bob!, 1), tokenHash: undefined }],
      ],
      [
        'a verdict that names nonsense',
        ([ada, bob]) => [named(ada!, 0), { ...named(bob!, 1), tokenHash: '' }],
      ],
      [
        'a failure of another token',
        ([ada]) => [
          named(ada!, 0),
          { ...named(ada!, 1), verdict: undefined, failure: { code: 'store_unavailable', message: 'm' } },
        ],
      ],
    ])('takes %s for an outage', async (_title, answers) => {
      const [, bob] = await verifyBoth(await mixingUp(answers));
      expect(bob).toMatchObject({ status: 'rejected', reason: { code: 'protocol' } });
    });

    it('treats an answer of the previous version, which names no token, as an outage', async () => {
      const url = await rawReplica(({ reply }) =>
        reply({ response: [{ index: 0, verdict: active() }], isDisposed: true }),
      );
      await expect(clientOf(url).verify(TOKEN)).rejects.toMatchObject({ code: 'protocol' });
    });

    it('gives each call the answer to its own id, whenever and however often it comes', async () => {
      const calls: { id: string; data: unknown; reply: (answer: object) => void }[] = [];
      const url = await rawReplica((call) => {
        calls.push(call);
        if (calls.length < 3) return;
        const [first, second, third] = calls as [(typeof calls)[0], (typeof calls)[0], (typeof calls)[0]];
        const refusal = (reason: string) => ({ response: { ended: false, reason }, isDisposed: true });
        third.reply({ ...refusal('expired'), id: 'no-such-id' });
        third.reply(refusal('revoked'));
        third.reply(refusal('expired'));
        second.reply(refusal('malformed'));
        third.reply({ ...refusal('expired'), id: third.id });
        first.reply({ response: { ended: true }, isDisposed: true });
      });
      const client = new UserTokenClient({ urls: url });
      clients.push(client);
      const outcomes = await Promise.all(
        ['a', 'b', 'c'].map((accessToken) => client.logout({ accessToken })),
      );
      expect(calls.map(({ data }) => data)).toEqual(['a', 'b', 'c'].map((accessToken) => ({ accessToken })));
      expect(outcomes).toEqual([
        { ended: true },
        { ended: false, reason: 'malformed' },
        { ended: false, reason: 'revoked' },
      ]);
    });
  });

  describe('clock', () => {
    it.each([30_000, -30_000])('is that of user-token, %i ms from ours', async (aheadMs) => {
      const fake = await replica();
      fake.setClock(aheadMs);
      const client = clientOf(fake.url);
      expect(client.clock.skewMs).toBeUndefined();
      await client.verify(TOKEN);
      await until(() => client.clock.skewMs !== undefined);
      expect(Math.abs(client.clock.skewMs! - aheadMs)).toBeLessThan(1_000);
      expect(Math.abs(client.clock.nowMs() - Date.now() - aheadMs)).toBeLessThan(1_000);
      expect(Math.abs(client.clock.nowSeconds() - (Date.now() + aheadMs) / 1_000)).toBeLessThan(2);
    });

    it('follows a change of the clock', async () => {
      const fake = await replica();
      const client = clientOf(fake.url);
      for (let i = 0; i < 10; i += 1) await client.verify(TOKEN);
      fake.setClock(60_000);
      await client.verify(TOKEN);
      await until(() => client.clock.skewMs! > 59_000);
    });

    it('is our own when user-token is of the previous version, which does not send its time', async () => {
      const url = await rawReplica(({ reply }) => reply({ response: { ended: true }, isDisposed: true }));
      const client = clientOf(url);
      expect(await client.logout(TOKEN)).toEqual({ ended: true });
      expect(client.clock.skewMs).toBeUndefined();
    });
  });

  it('does not send a log-in twice', async () => {
    const connections: number[] = [];
    const server: Server = createServer((socket) => {
      connections.push(1);
      socket.once('data', () => socket.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    servers.push({ stop: () => new Promise((resolve) => server.close(() => resolve())) });
    const url = `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await expect(clientOf(url, url).login({ username: 'u', password: 'p' })).rejects.toMatchObject({
      code: 'unreachable',
    });
    expect(connections).toHaveLength(1);
  });

  it('sends a log-in to another replica when the first never got it', async () => {
    const one = await replica();
    const client = clientOf(
      `tcp://127.0.0.1:${await freePort()}`,
      one.url,
      `tcp://127.0.0.1:${await freePort()}`,
    );
    // The fake grants nothing: its answer shows that it was asked.
    const codes = await Promise.all(
      [1, 2, 3].map(() => client.login({ username: 'u', password: 'p' }).catch(({ code }) => code as string)),
    );
    expect(codes).toContain('protocol');
  });
});

describe('USER_TOKEN_URL', () => {
  it('lists replicas', () => {
    expect(parseReplicaAddresses('tcp://a:1, tls+tcp://b.example:2,tcp://[::1]:3')).toEqual([
      { host: 'a', port: 1, tls: false },
      { host: 'b.example', port: 2, tls: true },
      { host: '::1', port: 3, tls: false },
    ]);
  });

  it.each(['', 'a:1', 'http://a:1', 'tcp://a', 'tcp://a:0', 'tcp://a:65536', 'tcp://a:1,', 'tcp://u@a:1'])(
    'refuses %p',
    (urls) => {
      expect(() => parseReplicaAddresses(urls)).toThrow(TypeError);
    },
  );

  it('needs certificates for TLS', () => {
    expect(() => new UserTokenClient({ urls: 'tls+tcp://a:1' })).toThrow(/certificate/);
  });
});
