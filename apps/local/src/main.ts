// Nothing else is loaded before the signals have their handlers.
import { runService } from '@app/ops/run';

await runService('The suite', async () => {
  const [{ startSuite }, { greeting }] = await Promise.all([
    import('./start-suite.js'),
    import('./greeting.js'),
  ]);
  const suite = await startSuite(process.env);
  process.stdout.write(greeting(suite));
  return { ...suite, stopTimeoutMs: 5_000 };
});
