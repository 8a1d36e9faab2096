import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ScriptedIssuer } from '@app/test-support/issuer/scripted-issuer';
import { RedisServer } from '@app/test-support/redis/redis-server';
import { ServiceProcess } from '@app/test-support/suite/service-process';
import { until } from '@app/test-support/timing/until';

const CANARY = 'canary-password-8f1c2e';

/** Reachable strings of a process, from its own heap snapshot. */
async function heapOf(service: ServiceProcess, folder: string): Promise<string> {
  const before = await readdir(folder);
  service.signal('SIGUSR2');
  let file = '';
  await until(async () => {
    file = (await readdir(folder)).find((name) => !before.includes(name)) ?? '';
    if (file === '') return false;
    const { size } = await stat(join(folder, file));
    await delay(300);
    return size > 0 && size === (await stat(join(folder, file))).size;
  }, 30_000);
  return readFile(join(folder, file), 'utf8');
}

describe('RFC 6749 section 4.3.1', () => {
  it('discards a password after the log-in: no heap on its way holds it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'heap-'));
    const [issuer, redis] = [await ScriptedIssuer.start(), await RedisServer.start()];
    const heap = { NODE_OPTIONS: `--heapsnapshot-signal=SIGUSR2 --diagnostic-dir=${folder}` };
    const shared = { ...heap, REDIS_URL: redis.url, AUTH0_ISSUER_URL: issuer.issuer };
    const userToken = await ServiceProcess.start('user-token', shared);
    const url = `tcp://127.0.0.1:${userToken.port}`;
    const gateway = await ServiceProcess.start('gateway', { ...shared, USER_TOKEN_URL: url });
    const logIn = (password: string) =>
      fetch(`http://localhost:${gateway.port}/oauth2/token`, {
        method: 'POST',
        headers: {
          authorization: `Basic ${Buffer.from('portal:portal-secret-for-local-use').toString('base64')}`,
          'content-type': 'application/x-www-form-urlencoded',
        },
        body: new URLSearchParams({
          grant_type: 'password',
          username: 'ada@example.com',
          password,
        }).toString(),
      });
    expect((await logIn(CANARY)).status).toBe(200);
    expect(issuer.asked.map((form) => form.get('password'))).toEqual([CANARY]);
    // Buffers of the next message do not count.
    for (let i = 0; i < 3; i += 1) await logIn('another');
    const [atGateway, atUserToken] = [await heapOf(gateway, folder), await heapOf(userToken, folder)];
    await Promise.all([gateway.stop('SIGKILL'), userToken.stop('SIGKILL')]);
    await Promise.all([redis.stop(), issuer.stop(), rm(folder, { recursive: true })]);
    for (const heapSnapshot of [atGateway, atUserToken]) {
      expect(heapSnapshot).toContain('snapshot');
      expect(heapSnapshot.includes(CANARY)).toBe(false);
    }
  }, 90_000);
});
