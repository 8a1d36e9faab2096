import { connect, createServer, type AddressInfo } from 'node:net';
import { RedisServer } from '@app/test-support/redis/redis-server';
import { openStore, StoreUnavailable } from '../index.js';

describe('a Redis whose answers are well-formed and wrong', () => {
  it.each([
    ['a number', ':7\r\n'],
    ['a list of numbers', '*2\r\n:1\r\n:2\r\n'],
    ['a shorter list', '*1\r\n$1\r\na\r\n'],
    ['a word', '+OK\r\n'],
  ])('is one that gave no answer: %s', async (_title, answer) => {
    const redis = await RedisServer.start();
    const { port: redisPort } = new URL(redis.url);
    let lying = false;
    const liar = createServer((client) => {
      const server = connect(Number(redisPort), '127.0.0.1');
      client.on('error', () => server.destroy());
      server.on('error', () => client.destroy());
      client.on('data', (chunk) => (lying ? client.write(answer) : server.write(chunk)));
      server.on('data', (chunk) => client.write(chunk));
      client.on('close', () => server.destroy());
    });
    await new Promise<void>((resolve) => liar.listen(0, '127.0.0.1', resolve));
    const store = openStore(`redis://127.0.0.1:${(liar.address() as AddressInfo).port}`);
    await new Promise<void>((resolve) => store.onAvailable(resolve));
    lying = true;
    await expect(store.getMany(['a', 'b'])).rejects.toThrow(StoreUnavailable);
    await store.close();
    await new Promise((resolve) => liar.close(resolve));
    await redis.stop();
  });
});
