// The handlers of signals come first: process 1 loses a signal without a handler.
import { runService } from '@app/ops/run';

await runService('user-token', async () => {
  const { startProcess } = await import('./start-process.js');
  return startProcess(process.env);
});
