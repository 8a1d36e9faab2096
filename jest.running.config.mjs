// The end-to-end suite against services that run already: E2E_GATEWAY_URL, E2E_VENUE_URL and E2E_ISSUER_URL say where.
import config from './jest.config.mjs';

const { globalSetup, projects, ...rest } = config;
const e2e = projects.find(({ displayName }) => displayName === 'e2e');

export default {
  ...rest,
  ...e2e,
  maxWorkers: 1,
  testMatch: ['<rootDir>/test/portable/**/*.e2e-spec.ts'],
};
