import { spawnSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '@app/test-support/timing/until';
import { LogOutput } from './log-output.js';

const folder = mkdtempSync(join(tmpdir(), 'log-output-'));

afterAll(() => rmSync(folder, { recursive: true }));

/** Size of a pipe in Linux. */
const PIPE_BYTES = 65_536;

const PATIENCE_MS = 60_000;

describe('the output of a log', () => {
  it.each(['write', 'writeSoon'] as const)(
    'drops a line that can never fit (%s), and continues',
    async (how) => {
      const path = join(folder, how);
      const descriptor = openSync(path, 'w');
      const output = new LogOutput({ descriptor, maxWaitingBytes: 100 });
      const losses: number[] = [];
      output.onLoss = (dropped) => void losses.push(dropped);
      output[how](`${'x'.repeat(100)}\n`);
      output[how]('and on\n');
      await until(() => readFileSync(path, 'utf8') === 'and on\n', PATIENCE_MS);
      expect(losses).toEqual([1]);
    },
  );

  it('keeps the order of waiting and immediate lines', async () => {
    const path = join(folder, 'order');
    const output = new LogOutput({ descriptor: openSync(path, 'w') });
    output.writeSoon('1\n');
    output.write('2\n');
    expect(readFileSync(path, 'utf8')).toBe('1\n2\n');
    output.writeSoon('3\n');
    await until(() => readFileSync(path, 'utf8') === '1\n2\n3\n', PATIENCE_MS);
  });

  it('keeps lines that a reader has no room for, reports dropped ones in their place, and then continues', async () => {
    const path = join(folder, 'pipe');
    spawnSync('mkfifo', [path]);
    const reading = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const output = new LogOutput({ descriptor: openSync(path, 'w'), maxWaitingBytes: 2 * PIPE_BYTES });
    output.onLoss = (dropped) => output.write(`lost ${dropped}\n`);
    const line = `${'x'.repeat(1_023)}\n`;
    for (let i = 0; i < 300; i += 1) output.write(line);

    let text = '';
    const chunk = Buffer.alloc(PIPE_BYTES);
    const read = () => {
      try {
        text += chunk.toString('utf8', 0, readSync(reading, chunk));
      } catch {
        // It is empty at this moment.
      }
      return text;
    };
    await until(() => read().includes('lost'), PATIENCE_MS);
    output.write('the last\n');
    await until(() => read().includes('the last'), PATIENCE_MS);
    closeSync(reading);
    // 64 lines fit into the pipe, and twice as many here.
    const kept = 3 * 64;
    expect(text).toBe(`${line.repeat(kept)}lost ${300 - kept}\nthe last\n`);
  });
});
