import { isNativeError } from 'node:util/types';
import { printableStack } from './printable.js';

const MAX_CAUSES = 4;

/**
 * Name, message, code and stack, and the same of what caused it. Everything else that libraries hang on errors, requests
 * and responses among it, stays out of the log.
 */
export function describeError(error: unknown, depth = 0): object {
  if (!isError(error)) return { message: typeof error === 'string' ? error : typeof error };
  const { code } = error as { code?: unknown };
  return {
    type: error.name,
    message: error.message,
    ...(typeof code === 'string' && { code }),
    stack: printableStack(error),
    ...(error.cause !== undefined && depth < MAX_CAUSES && { cause: describeError(error.cause, depth + 1) }),
  };
}

/** A time-out is a DOMException, which Node 20 does not count among its native errors. */
export function isError(error: unknown): error is Error {
  return isNativeError(error) || error instanceof Error || error instanceof DOMException;
}
