// The signal handlers come before all other imports.
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
