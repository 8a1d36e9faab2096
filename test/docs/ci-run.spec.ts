import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const root = join(import.meta.dirname, '../..');

/** The results of a run of Jest. */
const RESULT = JSON.stringify({ numPassedTests: 7, numFailedTests: 0, numRuntimeErrorTestSuites: 0 });
const NPM = `#!/bin/sh
for argument; do case $argument in --outputFile=*) echo '${RESULT}' >"\${argument#*=}" ;; esac; done
case "$*" in *--coverage*) exit "$COVERAGE" ;; esac
`;

describe('.ci/run', () => {
  /** A project in which every step passes at once, beside the engine that is given. */
  function run(
    engine: string | undefined,
    coverageStatus = 0,
  ): { readonly lines: string[]; readonly status: number | null } {
    const folder = mkdtempSync(join(tmpdir(), 'ci-'));
    const put = (path: string, text: string) => {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text, { mode: 0o755 });
    };
    cpSync(join(root, '.ci'), join(folder, 'project/.ci'), { recursive: true });
    for (const script of ['scripts/ensure-installed.mjs', 'test/containers/secrets.mjs'])
      put(`project/${script}`, '');
    put('bin/npm', NPM);
    put('bin/docker-compose', '#!/bin/sh\n');
    if (engine !== undefined) put('shared/docker/engine', engine);
    const PATH = `${join(folder, 'bin')}:${dirname(process.execPath)}:${process.env['PATH']}`;
    const { stdout, status } = spawnSync(join(folder, 'project/.ci/run'), {
      env: { PATH, COVERAGE: String(coverageStatus) },
      encoding: 'utf8',
    });
    return { lines: stdout.trim().split('\n'), status };
  }

  it.each<[string, string | undefined, string]>([
    ['there is no engine', undefined, 'there is no ../shared/docker/engine, which starts a Docker engine.'],
    [
      'the engine does not start',
      '#!/bin/sh\nexit 1\n',
      '../shared/docker/engine could not start a Docker engine.',
    ],
  ])('says in one line that it skips the container tests if %s', (_title, engine, why) => {
    const { lines, status } = run(engine);
    expect(lines.filter((line) => /container/.test(line))).toEqual([
      `The container tests are left out: ${why}`,
    ]);
    expect([lines.at(-1), status]).toEqual(['14 passed, 0 failed', 0]);
  });

  it('counts the container tests if they run', () => {
    const { lines, status } = run('#!/bin/sh\n');
    expect(lines.join('\n')).not.toContain('left out');
    // Two end-to-end runs and three of Jest.
    expect([lines.at(-1), status]).toEqual(['23 passed, 0 failed', 0]);
  });

  it('fails where less is covered than has to be, though every spec has passed', () => {
    const { lines, status } = run(undefined, 1);
    expect([lines.at(-1), status]).toEqual(['14 passed, 1 failed', 1]);
  });
});
