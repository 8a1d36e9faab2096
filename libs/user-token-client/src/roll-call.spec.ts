import { createServer, type AddressInfo, type Server } from 'node:net';
import { asToken } from '@app/test-support/issuer/as-token';
import { startFakeUserToken, type FakeUserToken } from '@app/test-support/suite/fake-user-token';
import { UserTokenClient } from './index.js';

describe('the roll call of user-tokens', () => {
  let here: FakeUserToken;
  let silent: Server;
  let client: UserTokenClient | undefined;

  beforeAll(async () => {
    here = await startFakeUserToken();
    silent = createServer((socket) => socket.on('error', () => undefined).resume());
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  });

  afterEach(() => client?.close());

  afterAll(async () => {
    await here.stop();
    silent.close();
  });

  const silentUrl = () => `tcp://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const of = (...urls: string[]) => (client = new UserTokenClient({ urls: urls.join(',') }));

  it('gets an answer from a running one', async () => {
    expect(await of(here.url).rollCall(10_000)).toEqual({ answered: 1, failures: [] });
    expect(here.asked).toEqual([]);
  });

  it.each<[string, () => string, string]>([
    ['is not there', () => 'tcp://127.0.0.1:1', 'cannot be reached'],
    ['has a name that does not resolve', () => 'tcp://user-token.invalid:3003', 'cannot be reached'],
    ['says nothing', silentUrl, 'did not answer in time'],
  ])('names one that %s, and how many others answered', async (_title, url, message) => {
    const { answered, failures } = await of(here.url, url()).rollCall(10_000);
    expect(answered).toBe(1);
    expect(failures.map((failure) => failure.message)).toEqual([expect.stringContaining(message)]);
  });

  it('gets no answer when no process listens', async () => {
    const { answered, failures } = await of('tcp://127.0.0.1:1', silentUrl()).rollCall(10_000);
    expect([answered, failures.length]).toEqual([0, 2]);
  });

  it('does not affect calls', async () => {
    const one = of(here.url, 'tcp://127.0.0.1:1');
    await one.rollCall(10_000);
    for (let i = 0; i < 4; i += 1)
      expect(await one.verify({ accessToken: asToken('a-token-0123456789') })).toMatchObject({
        active: false,
      });
  });
});
