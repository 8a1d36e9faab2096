import TestRunner from 'jest-runner';

/** Runs test files one after the other, while those of the other projects do not run. */
export default class OneAtATime extends TestRunner {
  constructor(globalConfig, context) {
    super({ ...globalConfig, maxWorkers: 1 }, context);
  }
}
