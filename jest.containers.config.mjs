// What only shows on images: built from what stands here, run with `docker`. `npm run test:containers`.
import config from './jest.config.mjs';

const { globalSetup, projects, ...rest } = config;
const e2e = projects.find(({ displayName }) => displayName === 'e2e');

export default {
  ...rest,
  ...e2e,
  displayName: 'containers',
  maxWorkers: 1,
  testMatch: ['<rootDir>/test/containers/**/*.container-spec.ts'],
};
