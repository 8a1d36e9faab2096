import { createHook } from 'node:async_hooks';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { readGatewayConfig, startGateway } from '@app/gateway';
import { createLogger, type Environment, type RunningService } from '@app/ops';
import { openStore } from '@app/store';
import { readUserTokenConfig, startUserToken } from '@app/user-token';
import { readVenueConfig, startVenue } from '@app/venue';
import { freePort } from '@app/test-support/redis/redis-server';
import { until } from '@app/test-support/timing/until';

const logger = createLogger({ service: 'test', environment: 'test', level: 'silent' });
const STARTS: Readonly<Record<string, (environment: Environment) => Promise<RunningService>>> = {
  venue: (environment) => startVenue(readVenueConfig(environment), { logger, store: undefined }),
  gateway: (environment) => startGateway(readGatewayConfig(environment), { logger, store: undefined }),
  'user-token': (environment) =>
    startUserToken(readUserTokenConfig(environment), { logger, store: openStore('memory:') }),
};

/** A server that takes connections and says nothing, in place of a user-token. */
describe('a start that fails', () => {
  const arrived: Socket[] = [];
  let silent: Server;
  let silentPort: number;

  beforeAll(async () => {
    silent = createServer((socket) => void arrived.push(socket)).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    silentPort = (silent.address() as AddressInfo).port;
  });

  afterAll(() => {
    for (const socket of arrived) socket.destroy();
    silent.close();
  });

  it.each(
    Object.keys(STARTS).flatMap((service) => [
      [service, 'PORT'],
      [service, 'OPS_PORT'],
    ]),
  )('of %s says that its %s is taken before it waits for anything', async (service, setting) => {
    const environment = {
      ENVIRONMENT: 'local',
      PORT: '0',
      OPS_PORT: '0',
      AUTH0_ISSUER_URL: `http://localhost:${silentPort}/`,
      USER_TOKEN_URL: `tcp://127.0.0.1:${silentPort}`,
      [setting]: String(silentPort),
    };
    await expect(STARTS[service]!(environment)).rejects.toThrow(`Port ${silentPort} (${service}`);
    expect(arrived.length).toBe(0);
  });

  it.each(Object.keys(STARTS))('of %s leaves neither a listener nor a watch behind', async (service) => {
    const watches = new Set<number>();
    const hook = createHook({
      init: (id, type) => {
        const { stack = '' } = type === 'Timeout' ? new Error() : {};
        const [, ...frames] = stack.split('\n');
        const caller = frames.find((frame) => !/node:|failed-start/.test(frame)) ?? '';
        if (/(dependency|clock)-watch\./.test(caller)) watches.add(id);
      },
      destroy: (id) => void watches.delete(id),
    }).enable();
    try {
      // Each can be had until the service itself has the other one.
      const port = String(await freePort());
      const environment = {
        ENVIRONMENT: 'local',
        PORT: port,
        OPS_PORT: port,
        AUTH0_ISSUER_URL: 'http://localhost:1/',
        USER_TOKEN_URL: 'tcp://127.0.0.1:1',
      };
      await expect(STARTS[service]!(environment)).rejects.toThrow(`Port ${port} (${service} ops) is already`);
      await expect(once(connect(Number(port), '127.0.0.1'), 'connect')).rejects.toThrow('ECONNREFUSED');
      await until(() => watches.size === 0);
    } finally {
      hook.disable();
    }
  });
});
