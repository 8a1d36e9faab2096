import type { AddressInfo, Server } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import {
  authorityOf,
  ClockWatch,
  DependencyWatch,
  ensureListenable,
  InFlight,
  listenOrExplain,
  NestLogger,
  startOps,
  STOP_TIMEOUT_MS,
  type Listening,
  type Logger,
  type OpsListener,
  type RenewedTls,
  type RunningService,
} from '@app/ops';
import { IDLE_TIMEOUT_MS, MAX_MESSAGE_LENGTH, MAX_UNREAD_BYTES } from '@app/contract';
import { storeCheck, type ServerFacts, type SharedStore } from '@app/store';
import { ISSUER_CHECKS, type IssuerCheck } from './adapters/auth0/issuer-checks.js';
import { compose, type UserToken } from './compose.js';
import type { UserTokenConfig } from './config.js';
import { QuietTcpServer } from './edge/quiet-tcp.server.js';
import { UserTokenModule } from './user-token.module.js';

/** The surroundings of a user-token. The caller closes the store. */
export interface UserTokenEnvironment {
  readonly store: SharedStore;
  readonly logger: Logger;
  /** Renewed certificates. Default: those of the configuration stay. */
  readonly renewedTls?: RenewedTls | undefined;
}

export interface RunningUserToken extends RunningService {
  readonly port: number;
  readonly opsPort: number;
}

const MESSAGE_TIMEOUT_MS = 5_000;
/** For a TLS handshake, or the first call. */
const INTRODUCTION_TIMEOUT_MS = 3_000;
const DRAIN_TIMEOUT_MS = 8_000;
const REPLY_FLUSH_MS = 50;
const PREPARE_MS = 1_000;
/** While something is wrong with the settings, or the issuer is away. */
const ISSUER_RETRY_MS = 60_000;
/** Other replicas, if there are any, may fill an empty Redis first. */
const SETTLE_MS = 3_000;

/** Fetches what the first calls need, and waits for it no longer than a moment. */
async function prepare(
  store: ServerFacts,
  { issuerKeys, settled }: UserToken,
  issuer: DependencyWatch<IssuerCheck>,
): Promise<void> {
  const startedAtMs = performance.now();
  await atMost(PREPARE_MS, Promise.all([settled(), issuerKeys.load(), issuer.settled(PREPARE_MS)]));
  if (store.available) await atMost(SETTLE_MS - (performance.now() - startedAtMs), settled());
}

async function atMost(ms: number, done: Promise<unknown>): Promise<void> {
  const waited = new AbortController();
  await Promise.race([done, delay(ms, undefined, { signal: waited.signal }).catch(() => {})]);
  waited.abort();
}

/**
 * Starts user-token: TCP interface and ops listener.
 *
 * @throws {StartError} and then nothing is left running
 */
export async function startUserToken(
  config: UserTokenConfig,
  { store, logger, renewedTls }: UserTokenEnvironment,
): Promise<RunningUserToken> {
  const inFlight = new InFlight();
  const { host, port, opsHost, opsPort } = config;
  const listening: Listening = { service: 'user-token', host, port, setting: 'PORT' };
  // Before the preparation, which takes longer than an operator should wait for this error.
  await ensureListenable(listening);
  await ensureListenable({ service: 'user-token ops', host: opsHost, port: opsPort, setting: 'OPS_PORT' });
  const tcpServer = tcpServerOf(config, logger);
  renewedTls?.onRenewal((material) => tcpServer.renew(material));
  const userToken = compose({ config, store, logger });
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(
    UserTokenModule.over(userToken.useCases, { logger, inFlight, clock: store }),
    { strategy: tcpServer, logger: new NestLogger(logger), abortOnError: false },
  );
  const issuer = issuerWatchOf(config, userToken, logger);
  const clock = clockWatchOf(store, logger);
  let ops: OpsListener;
  try {
    await prepare(store, userToken, issuer);
    await listenOrExplain(listening, () => app.listen());
    ops = await startOps({
      service: 'user-token',
      host: opsHost,
      port: opsPort,
      setting: 'OPS_PORT',
      logger,
      checks: {
        store: () => storeCheck(store),
        clock: () => clock.check(),
        ...Object.fromEntries(ISSUER_CHECKS.map((name) => [name, () => issuer.check(name)])),
        keys: () => userToken.issuerKeys.check(),
        grantedTokens: () => userToken.grantedTokens(),
      },
    });
  } catch (error) {
    clock.close();
    issuer.close();
    await app.close();
    await userToken.close();
    throw error;
  }
  const server = app.unwrap<Server>();
  const boundPort = (server.address() as AddressInfo).port;
  const authority = authorityOf(host, boundPort);
  logger.info({ port: boundPort }, `user-token listens on ${authority}`);
  return {
    addresses: { tcp: `${config.tls ? 'tls+tcp' : 'tcp'}://${authority}` },
    port: boundPort,
    opsPort: ops.port,
    stopTimeoutMs: config.drainDelayMs + STOP_TIMEOUT_MS,
    stop: async () => {
      clock.close();
      issuer.close();
      ops.drain();
      await delay(config.drainDelayMs);
      // Nest's close() would cut calls that are under way.
      server.close();
      const drained = await inFlight.idle(DRAIN_TIMEOUT_MS);
      // A call leaves before Nest has written its reply.
      await delay(REPLY_FLUSH_MS);
      if (!drained) logger.warn('calls were still under way when user-token stopped');
      await app.close();
      await userToken.close();
      await ops.close();
    },
  };
}

function tcpServerOf(config: UserTokenConfig, logger: Logger): QuietTcpServer {
  const { host, port, tls } = config;
  return new QuietTcpServer(
    {
      host,
      port,
      tls: tls && { ...tls, requestCert: true, rejectUnauthorized: true },
      connections: {
        introduced: config.maxConnections,
        introducedPerAddress: config.maxConnectionsPerAddress,
        pending: config.maxPendingConnections,
        pendingMs: INTRODUCTION_TIMEOUT_MS,
      },
      idleMs: IDLE_TIMEOUT_MS,
      maxMessageChars: MAX_MESSAGE_LENGTH,
      messageTimeoutMs: MESSAGE_TIMEOUT_MS,
      maxUnreadBytes: MAX_UNREAD_BYTES,
    },
    logger,
  );
}

function issuerWatchOf(
  { issuerCheckSeconds }: UserTokenConfig,
  { issuerChecks }: UserToken,
  log: Logger,
): DependencyWatch<IssuerCheck> {
  return new DependencyWatch({
    names: ISSUER_CHECKS,
    look: () => issuerChecks.look(),
    everyMs: issuerCheckSeconds * 1000,
    retryMs: ISSUER_RETRY_MS,
    log,
  });
}

function clockWatchOf(store: ServerFacts, logger: Logger): ClockWatch {
  return new ClockWatch(() => (store.available ? store.nowMs() - Date.now() : undefined), 'Redis', logger);
}
