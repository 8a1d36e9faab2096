import { createLogger, warnOfUnread, type Environment, type Logger, type RunningService } from '@app/ops';
import { openStore, type OpenStoreOptions, type SharedStore } from '@app/store';
import { gatewaySettings, readGatewayConfig, startGateway } from '@app/gateway';
import { identitySettings, readIdentityConfig, startIdentity, type RunningIdentity } from '@app/identity';
import { readUserTokenConfig, startUserToken, userTokenSettings } from '@app/user-token';
import { readVenueConfig, startVenue, venueSettings } from '@app/venue';

/** The whole suite in one process, over real HTTP and real TCP. */
export interface RunningSuite extends RunningService {
  readonly gatewayUrl: string;
  readonly venueUrl: string;
  readonly issuer: string;
  /** Absent when AUTH0_ISSUER_URL names another server. */
  readonly identity: RunningIdentity | undefined;
  readonly userTokenUrl: string;
}

export interface SuiteOptions {
  /** Gets log lines, as JSON; default: standard output. */
  readonly logDestination?: { write(line: string): void } | undefined;
  /** How long each service waits for Redis. Default: the budgets of a serving one. */
  readonly storeBudgets?: Pick<OpenStoreOptions, 'readTimeoutMs' | 'writeTimeoutMs'> | undefined;
}

const allSettings = { ...identitySettings, ...userTokenSettings, ...gatewaySettings, ...venueSettings };

/**
 * Starts identity, user-token, gateway and venue with the settings that each would read on its own. `GATEWAY_PORT`,
 * `GATEWAY_OPS_PORT` and so on set the ports, because there is only one PORT. Without AUTH0_ISSUER_URL, tokens come from the
 * bundled identity.
 *
 * @throws {SettingsError | StartError} after stopping everything
 */
export async function startSuite(
  environment: Environment,
  { logDestination, storeBudgets }: SuiteOptions = {},
): Promise<RunningSuite> {
  const stops: (() => Promise<void>)[] = [];
  const stop = async () => {
    // The edge first, so that no service calls a stopped one.
    for (const stopOne of stops.splice(0).reverse()) await stopOne();
  };
  const keep = <T extends { stop(): Promise<void> }>(running: T): T => {
    stops.push(() => running.stop());
    return running;
  };
  const loggerOf = (service: string, { ENVIRONMENT, LOG_LEVEL }: LogSettings): Logger =>
    createLogger({ service, environment: ENVIRONMENT, level: LOG_LEVEL, destination: logDestination });

  try {
    const identity = environment['AUTH0_ISSUER_URL']
      ? undefined
      : keep(await startOwnIdentity(environment, loggerOf));
    const shared = { ...environment, AUTH0_ISSUER_URL: identity?.issuer ?? environment['AUTH0_ISSUER_URL'] };

    const userTokenConfig = readUserTokenConfig(settingsOf('USER_TOKEN', shared));
    const logger = loggerOf('user-token', {
      ENVIRONMENT: userTokenConfig.environment,
      LOG_LEVEL: userTokenConfig.logLevel,
    });
    warnOfUnread(allSettings, environment, logger);
    const stores = new Stores(userTokenConfig.redisUrl, {
      ...userTokenConfig.storeOptions,
      ...storeBudgets,
      log: logger,
    });
    stops.push(() => stores.close());
    const userToken = keep(await startUserToken(userTokenConfig, { store: stores.open(), logger }));
    const userTokenUrl = `tcp://127.0.0.1:${userToken.port}`;

    const gatewayConfig = readGatewayConfig({
      ...settingsOf('GATEWAY', shared),
      USER_TOKEN_URL: userTokenUrl,
    });
    const gateway = keep(
      await startGateway(gatewayConfig, { store: stores.open(), logger: loggerOf('gateway', gatewayConfig) }),
    );
    const venueConfig = readVenueConfig({ ...settingsOf('VENUE', shared), USER_TOKEN_URL: userTokenUrl });
    const venue = keep(
      await startVenue(venueConfig, { store: stores.open(), logger: loggerOf('venue', venueConfig) }),
    );

    const gatewayUrl = `http://localhost:${gateway.port}`;
    const venueUrl = `http://localhost:${venue.port}`;
    const issuer = identity?.issuer ?? userTokenConfig.issuer;
    const addresses = { gateway: gatewayUrl, venue: venueUrl, issuer, 'user-token': userTokenUrl };
    return { addresses, gatewayUrl, venueUrl, issuer, identity, userTokenUrl, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface LogSettings {
  readonly ENVIRONMENT: string;
  readonly LOG_LEVEL: ReturnType<typeof readGatewayConfig>['LOG_LEVEL'];
}

async function startOwnIdentity(
  environment: Environment,
  loggerOf: (service: string, settings: LogSettings) => Logger,
): Promise<RunningIdentity> {
  const own = settingsOf('IDENTITY', environment);
  const port = own['PORT'] || '3002';
  const config = readIdentityConfig({ ...own, AUTH0_ISSUER_URL: `http://localhost:${port}/` });
  return startIdentity(config, { logger: loggerOf('identity', config) });
}

/** One service's view of the environment. */
function settingsOf(service: string, environment: Environment): Environment {
  return {
    ...environment,
    PORT: environment[`${service}_PORT`],
    OPS_PORT: environment[`${service}_OPS_PORT`],
  };
}

/** With `memory:` one store for all services, otherwise a connection for each, as in separate processes. */
class Stores {
  private readonly opened: SharedStore[] = [];

  constructor(
    private readonly url: string,
    private readonly options: OpenStoreOptions,
  ) {}

  open(): SharedStore {
    const [first] = this.opened;
    if (first && !first.shared) return first;
    const store = openStore(this.url, this.options);
    this.opened.push(store);
    return store;
  }

  async close(): Promise<void> {
    await Promise.all(this.opened.map((store) => store.close()));
  }
}
