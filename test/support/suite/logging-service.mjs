// A service that does what it is told over IPC, for specs of what becomes of its log lines; needs a build.
import { setTimeout } from 'node:timers';
import { setImmediate as turn } from 'node:timers/promises';
import { createHttpApplication, createLogger } from '@app/ops';
import { runService } from '@app/ops/run';
import { accessWriterOf } from '../../../libs/ops/dist/logs/log-lines.js';

class Nothing {}

const orders = {
  /** Access lines, and others in between, over many turns of the loop or in one. */
  async log({ logger, writeAccess }, { lines, length = 0, turns = true, access = true }) {
    for (let number = 0; number < lines; number += 1) {
      if (access)
        writeAccess({
          method: 'GET',
          route: `/${'x'.repeat(length)}`,
          status: 200,
          durationMs: 1,
          requestId: `r${number}`,
        });
      else logger.info({ filler: 'x'.repeat(length) }, 'a line');
      if (turns && number % 100 === 0) await turn();
    }
  },
  held: () => {
    globalThis.gc();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  },
  exit: (_service, { lines, ...options }) => {
    orders.log(_service, { lines, ...options, turns: false });
    process.exit(3);
  },
  throw: (_service, { lines }) => {
    orders.log(_service, { lines, turns: false });
    setTimeout(() => {
      throw new Error('not foreseen');
    });
  },
  reject: (_service, { lines }) => {
    orders.log(_service, { lines, turns: false });
    setTimeout(() => Promise.reject(new Error('not foreseen')));
  },
  die: (_service, { lines }) => {
    orders.log(_service, { lines, turns: false, access: false });
    process.kill(process.pid, 'SIGKILL');
  },
  leave: (_service, { lines }) => {
    orders.log(_service, { lines, turns: false });
    process.disconnect();
    return _service.app.close();
  },
};

await runService('logging', async () => {
  const logger = createLogger({ service: 'logging', environment: process.env.ENVIRONMENT });
  const app = await createHttpApplication(Nothing, { logger });
  await app.listen(0, '127.0.0.1');
  const service = { app, logger, writeAccess: accessWriterOf(logger) };
  process.on('message', async ({ order, ...options }) => {
    const result = await orders[order](service, options);
    if (process.connected) process.send({ done: order, result });
  });
  const { port } = app.getHttpServer().address();
  process.send({ port });
  return { addresses: {}, stop: () => app.close() };
});
