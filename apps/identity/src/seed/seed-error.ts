/** A seed file that cannot be used. The message names file, line and reason of every problem, and no value of a secret. */
export class SeedError extends Error {
  override readonly name = 'SeedError';
}
