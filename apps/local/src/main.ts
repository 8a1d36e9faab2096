import { runService } from '@app/ops';
import { greeting } from './greeting.js';
import { startSuite } from './start-suite.js';

await runService(
  'The suite',
  async () => {
    const suite = await startSuite(process.env);
    process.stdout.write(greeting(suite));
    return suite;
  },
  { stopTimeoutMs: 5_000 },
);
