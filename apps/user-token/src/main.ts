// Nothing else is loaded before the signals have their handlers: where this is process 1, one without a handler is lost.
import { runService } from '@app/ops/run';

await runService('user-token', async () => {
  const { startProcess } = await import('./start-process.js');
  return startProcess(process.env);
});
