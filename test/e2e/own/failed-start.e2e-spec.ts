import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { readGatewayConfig, startGateway } from '@app/gateway';
import { createLogger, type Environment, type RunningService } from '@app/ops';
import { readVenueConfig, startVenue } from '@app/venue';

const logger = createLogger({ service: 'test', environment: 'test', level: 'silent' });
const STARTS: Readonly<Record<string, (environment: Environment) => Promise<RunningService>>> = {
  venue: (environment) => startVenue(readVenueConfig(environment), { logger, store: undefined }),
  gateway: (environment) => startGateway(readGatewayConfig(environment), { logger, store: undefined }),
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
      USER_TOKEN_URL: `tcp://127.0.0.1:${silentPort}`,
      [setting!]: String(silentPort),
    };
    await expect(STARTS[service!]!(environment)).rejects.toThrow(`Port ${silentPort} (${service}`);
    expect(arrived.length).toBe(0);
  });
});
