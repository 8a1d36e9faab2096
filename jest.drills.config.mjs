// What takes longer than `npm test` may: faults of Redis and user-token for longer, more orders of revocations, more races.
// `npm run test:drills`; FAULT_SECONDS=60 for a minute of each fault, MODEL_RUNS and MODEL_SEED for other orders.
process.env.FAULT_SECONDS ??= '5';
process.env.MODEL_RUNS ??= '20000';
process.env.RACE_ROUNDS ??= '200';
const { default: config } = await import('./jest.config.mjs');

const { projects, ...rest } = config;
const timed = projects.find(({ displayName }) => displayName === 'timed');

export default {
  ...rest,
  ...timed,
  displayName: 'drills',
  testTimeout: 150_000 + Number(process.env.FAULT_SECONDS) * 1000,
  testMatch: [
    '<rootDir>/test/system/faults/{redis,user-token}-faults.e2e-spec.ts',
    '<rootDir>/test/system/races/refresh.e2e-spec.ts',
    '<rootDir>/test/model/**/*.spec.ts',
  ],
};
