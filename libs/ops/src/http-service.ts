import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Logger } from 'pino';
import type { Checks } from './health.module.js';
import { startOps } from './ops.listener.js';
import { STOP_TIMEOUT_MS, type RunningService } from './run-service.js';
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

/** Binds an HTTP application and its ops listener; stopping it drains first. */
export async function startHttpService(
  service: string,
  app: NestFastifyApplication,
  settings: ListenerSettings,
  { logger, checks }: { readonly logger: Logger; readonly checks: Checks },
): Promise<RunningHttpService> {
  const listening: Listening = { service, host: settings.HOST, port: settings.PORT, setting: 'PORT' };
  const { OPS_HOST: host, OPS_PORT: opsPort } = settings;
  const opsListening: Listening = { service: `${service} ops`, host, port: opsPort, setting: 'OPS_PORT' };
  try {
    for (const place of [listening, opsListening]) await ensureListenable(place);
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
