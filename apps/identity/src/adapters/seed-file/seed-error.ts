/** An unusable seed file. The message names file, line and reason of every problem, but no secret value. */
export class SeedError extends Error {
  override readonly name = 'SeedError';
}
