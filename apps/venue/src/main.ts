// The signal handlers come before all other imports: process 1 loses a signal without a handler.
import { runService } from '@app/ops/run';

await runService('venue', async () => {
  const { startProcess } = await import('./start-process.js');
  return startProcess(process.env);
});
