import {
  createHttpApplication,
  ensureServiceListenable,
  LineLimit,
  StartError,
  startHttpService,
  type Logger,
  type RunningHttpService,
} from '@app/ops';
import type { IdentityConfig } from './config.js';
import { systemClock, type Clock } from './core/clock.js';
import type { CredentialCheck, UserDirectory } from './core/credential-check.js';
import { QueuedCredentialCheck, type QueueOptions } from './core/queued-credential-check.js';
import { wordOAuthError } from './dialects/auth0/routes/oauth-error.filter.js';
import { auth0Dialect } from './dialects/auth0/words/auth0-dialect.js';
import { IdentityModule } from './identity.module.js';
import type { MemoryOptions } from './adapters/oidc-provider/memory-adapter.js';
import {
  generateSigningKeys,
  parseSigningKeys,
  SigningKeysError,
} from './adapters/oidc-provider/signing-keys.js';
import { defaultSeedPath, loadSeed } from './adapters/seed-file/load-seed.js';
import { publishedIn } from './adapters/seed-file/published.js';
import { SeedError } from './adapters/seed-file/seed-error.js';
import { SeedCredentialCheck, SeedUserDirectory } from './adapters/seed-file/seed-users.js';
import { Tenant } from './tenant.js';

export interface IdentityEnvironment {
  readonly logger: Logger;
  /** The user directory, if not the seed file: one part checks passwords, the other finds users again. */
  readonly accounts?: { readonly credentialCheck: CredentialCheck; readonly users: UserDirectory };
  /** Number of simultaneous password checks for the seed file's users. */
  readonly passwordChecks?: QueueOptions;
  readonly memory?: MemoryOptions;
  /** What tokens and sessions expire by. Default: the process's time. */
  readonly clock?: Clock;
}

export interface RunningIdentity extends RunningHttpService {
  readonly issuer: string;
  readonly tenant: Tenant;
}

/**
 * Starts the authorization server. With PORT 0 the issuer is `http://localhost:<port>/`, whatever the configuration says, because
 * the port is not known before.
 *
 * @throws {StartError} for an unusable seed file or key set, or a port in use
 */
export async function startIdentity(
  config: IdentityConfig,
  { logger, accounts, passwordChecks, memory, clock = systemClock }: IdentityEnvironment,
): Promise<RunningIdentity> {
  await ensureServiceListenable('identity', config);
  const { seed, signingKeys } = await readInputs(config);
  const overloads = new LineLimit();
  const dialect = auth0Dialect;
  const tenant = new Tenant({
    dialect,
    directory: seed.directory,
    credentialCheck:
      accounts?.credentialCheck ??
      new QueuedCredentialCheck(new SeedCredentialCheck(seed.users), passwordChecks),
    users: accounts?.users ?? new SeedUserDirectory(seed.users),
    signingKeys,
    memory,
    clock,
    onAttempt: ({ outcome, ...attempt }) =>
      logger.info(attempt, `password grant: ${dialect.attemptWords[outcome]}`),
    onOverload: (reason) => {
      const more = overloads.admit(reason.message);
      if (more) logger.warn({ reason: reason.message, ...more }, 'a request was turned away with 503');
    },
    onFault: (error) => logger.error({ err: error }, 'the authorization server failed'),
  });
  const portIsKnown = config.PORT !== 0;
  if (portIsKnown) tenant.open(config.AUTH0_ISSUER_URL.href);
  const app = await createHttpApplication(IdentityModule.forTenant(tenant, logger), {
    logger,
    accessLog: config.ACCESS_LOG,
    word: wordOAuthError,
  });
  const running = await startHttpService('identity', app, config, { logger, checks: {} });
  if (!portIsKnown) tenant.open(`http://localhost:${running.port}/`);
  return { ...running, issuer: tenant.issuer, tenant };
}

async function readInputs({ ENVIRONMENT, IDENTITY_SEED: seedPath, IDENTITY_KEYS: keys }: IdentityConfig) {
  try {
    const seed = await loadSeed(seedPath ?? defaultSeedPath);
    const published = ENVIRONMENT === 'local' ? [] : await publishedIn(seed);
    if (published.length > 0) {
      throw new SeedError(
        `IDENTITY_SEED is for local work: everybody can read ${published.slice(0, 10).join(', ')}. ` +
          'Outside of ENVIRONMENT=local it must name a file with passwords and secrets of your own.',
      );
    }
    return {
      seed,
      signingKeys: keys === undefined ? await generateSigningKeys() : await parseSigningKeys(keys),
    };
  } catch (error) {
    if (error instanceof SeedError || error instanceof SigningKeysError) {
      throw new StartError(error.message, { cause: error });
    }
    throw error;
  }
}
