import type { Logger } from 'pino';
import type { AddressInfo } from 'node:net';
import { HealthModule, type Checks, type Health } from './health.module.js';
import { createHttpApplication, type ArrivalLimits } from '../http/http-application.js';
import { listenOrExplain, type Listening } from '../http/listen.js';

export interface OpsOptions {
  readonly service: string;
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** The variable that chooses the port, for the message when it is taken. */
  readonly setting: Listening['setting'];
  readonly logger: Logger;
  readonly checks: Checks;
  readonly arrival?: Partial<ArrivalLimits>;
}

export interface OpsListener {
  readonly port: number;
  /** Not ready from now on, so that balancers stop sending. */
  drain(): void;
  close(): Promise<void>;
}

/** The internal listener of a service: `GET /health/live` and `GET /health/ready`. Do not publish it. */
export async function startOps({
  service,
  host,
  port,
  setting,
  logger,
  checks,
  arrival = {},
}: OpsOptions): Promise<OpsListener> {
  const health: Health = { checks, draining: false };
  const app = await createHttpApplication(HealthModule.forState(health), {
    logger,
    accessLog: 'off',
    arrival,
  });
  const listening: Listening = { service: `${service} ops`, host, port, setting };
  await listenOrExplain(listening, () => app.listen(port, host)).catch(async (error: unknown) => {
    await app.close();
    throw error;
  });
  return {
    port: (app.getHttpServer().address() as AddressInfo).port,
    drain: () => {
      health.draining = true;
    },
    close: () => app.close(),
  };
}
