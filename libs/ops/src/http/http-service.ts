import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Logger } from 'pino';
import type { Checks } from '../health/health.module.js';
import { startOps } from '../health/ops.listener.js';
import { STOP_TIMEOUT_MS, type RunningService } from '../run-service.js';
import { authorityOf, ensureListenable, listenOrExplain, type Listening } from './listen.js';

/** The listeners of a service, as {@link serviceSettings} reads them. */
export interface ListenerSettings {
  readonly HOST: string;
  readonly PORT: number;
  readonly OPS_HOST: string;
  readonly OPS_PORT: number;
  readonly DRAIN_DELAY_MS: number;
}

export interface RunningHttpService extends RunningService {
  readonly port: number;
  readonly opsPort: number;
}

/**
 * Reports at once where a service cannot listen, before any other wait.
 *
 * @throws {StartError}
 */
export async function ensureServiceListenable(service: string, settings: ListenerSettings): Promise<void> {
  const { listening, opsListening } = listenersOf(service, settings);
  for (const place of [listening, opsListening]) await ensureListenable(place);
}

function listenersOf(
  service: string,
  { HOST, PORT, OPS_HOST, OPS_PORT }: ListenerSettings,
): { readonly listening: Listening; readonly opsListening: Listening } {
  return {
    listening: { service, host: HOST, port: PORT, setting: 'PORT' },
    opsListening: { service: `${service} ops`, host: OPS_HOST, port: OPS_PORT, setting: 'OPS_PORT' },
  };
}

/**
 * Binds an HTTP application, after {@link ensureServiceListenable}, and its ops listener; a stop drains first.
 *
 * @throws {StartError} after closing the application
 */
export async function startHttpService(
  service: string,
  app: NestFastifyApplication,
  settings: ListenerSettings,
  { logger, checks }: { readonly logger: Logger; readonly checks: Checks },
): Promise<RunningHttpService> {
  const { listening } = listenersOf(service, settings);
  try {
    await listenOrExplain(listening, () => app.listen(settings.PORT, settings.HOST));
    const ops = await startOps({
      service,
      host: settings.OPS_HOST,
      port: settings.OPS_PORT,
      setting: 'OPS_PORT',
      logger,
      checks,
    });
    const { port } = app.getHttpServer().address() as AddressInfo;
    const authority = authorityOf(settings.HOST, port);
    logger.info({ port }, `${service} listens on ${authority}`);
    return {
      addresses: { http: `http://${authority}` },
      port,
      opsPort: ops.port,
      stopTimeoutMs: settings.DRAIN_DELAY_MS + STOP_TIMEOUT_MS,
      stop: async () => {
        ops.drain();
        await delay(settings.DRAIN_DELAY_MS);
        await app.close();
        await ops.close();
      },
    };
  } catch (error) {
    await app.close();
    throw error;
  }
}
