/**
 * Mutants of the code that decides who gets in.
 *
 * @type {import('@stryker-mutator/api/core').PartialStrykerOptions}
 */
export default {
  mutate: [
    'apps/user-token/src/core/**/*.ts',
    'libs/contract/src/tokens/canonical-token.ts',
    'libs/auth/src/{tokens,http}/*.ts',
    '!**/*.spec.ts',
    '!**/log.ts',
  ],
  testRunner: 'jest',
  testRunnerNodeArgs: ['--experimental-vm-modules', '--no-warnings'],
  jest: { configFile: 'jest.mutation.config.mjs', enableFindRelatedTests: true },
  coverageAnalysis: 'perTest',
  ignoreStatic: true,
  incremental: true,
  incrementalFile: 'coverage/mutation.json',
  concurrency: 2,
  reporters: ['clear-text', 'progress-append-only', 'json'],
  jsonReporter: { fileName: 'coverage/mutation-report.json' },
  tempDirName: 'coverage/mutation',
  thresholds: { high: 100, low: 90, break: null },
};
