import config from './jest.config.mjs';

const { displayName: _, ...unit } = config.projects.find(({ displayName }) => displayName === 'unit');

/** The unit specs that need neither Redis nor an application, since each mutant runs them anew; races take too long. */
export default {
  ...unit,
  testTimeout: 20_000,
  // The copy that is changed, and not the workspaces that node_modules links to.
  moduleNameMapper: {
    ...unit.moduleNameMapper,
    '^@app/test-support/(.*)$': '<rootDir>/test/support/$1',
    '^@app/(auth|contract|ops|store|user-token-client)$': '<rootDir>/libs/$1/src/index',
  },
  testMatch: [
    '<rootDir>/apps/user-token/src/core/**/*.spec.ts',
    '<rootDir>/apps/user-token/src/adapters/store/store-sessions.spec.ts',
    '<rootDir>/libs/contract/src/**/canonical-token.spec.ts',
    '<rootDir>/libs/auth/src/{cache,http,tokens}/*.spec.ts',
  ],
  testPathIgnorePatterns: [
    '\\.races\\.spec\\.ts$',
    '/core/[^/]+/(log-in|log-out|refresh-session)\\.spec\\.ts$',
    '/libs/auth/src/.*/(shared-token-cache|revocation-race|revocation-watch|bearer\\.guard|nest-applications|nest-cache|refusals-told|revoked)\\.spec\\.ts$',
  ],
};
