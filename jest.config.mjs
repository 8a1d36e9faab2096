import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

const { $schema, ...swcrc } = JSON.parse(readFileSync(new URL('./.swcrc', import.meta.url), 'utf8'));

/** @type {import('jest').Config} */
const base = {
  rootDir: import.meta.dirname,
  testEnvironment: 'node',
  testEnvironmentOptions: { customExportConditions: ['node', 'node-addons', '@app/source'] },
  extensionsToTreatAsEsm: ['.ts'],
  moduleFileExtensions: ['ts', 'js', 'mjs', 'cjs', 'json', 'node'],
  transform: { '^.+\\.ts$': ['@swc/jest', { ...swcrc, swcrc: false, sourceMaps: 'inline' }] },
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  modulePathIgnorePatterns: ['<rootDir>/(apps|libs)/[^/]+/dist/'],
};

/** What a bound on waiting is about: a machine that is busy with other specs tells nothing of it. */
const timed = [
  'libs/store/src/redis/redis-faults.spec.ts',
  'libs/user-token-client/src/user-token-client.spec.ts',
  'test/support/timing/machine-pauses.spec.ts',
  'test/system/faults/{redis-faults,user-token-faults}.e2e-spec.ts',
  'test/system/races/revocation.e2e-spec.ts',
];
const untimed = timed.map((path) => `!**/${path}`);

export default {
  globalSetup: '<rootDir>/test/support/redis/ensure-redis-server.ts',
  coverageProvider: 'v8',
  collectCoverageFrom: [
    '{apps,libs}/*/src/**/*.ts',
    '!**/*.spec.ts',
    '!**/main.ts',
    '!**/index.ts',
    // Types alone.
    '!apps/user-token/src/core/log.ts',
  ],
  // By any run that covers all: `npm run test:coverage`, `.ci/run`.
  coverageThreshold: {
    './apps/user-token/src/core/': { branches: 100 },
    './libs/auth/': { branches: 96 },
    global: { branches: 94 },
  },
  // Against what hangs; a busy machine may take its time.
  testTimeout: 90_000,
  // What each file loads stays in its process, and a process with gigabytes of it pauses for longer than the faults that are tested.
  workerIdleMemoryLimit: '400MB',
  // Most specs wait more than they compute.
  maxWorkers: Math.max(3, availableParallelism()),
  projects: [
    {
      ...base,
      displayName: 'unit',
      testMatch: [
        '<rootDir>/{apps,libs}/*/src/**/*.spec.ts',
        '<rootDir>/test/{docs,model,support}/**/*.spec.ts',
        ...untimed,
      ],
    },
    {
      ...base,
      displayName: 'e2e',
      testMatch: ['<rootDir>/test/{portable,system}/**/*.e2e-spec.ts', ...untimed],
    },
    {
      ...base,
      displayName: 'timed',
      testMatch: timed.map((path) => `<rootDir>/${path}`),
      runner: '<rootDir>/test/support/timing/one-at-a-time.mjs',
    },
  ],
};
