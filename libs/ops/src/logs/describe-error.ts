import { isNativeError } from 'node:util/types';
import { printableStack } from './printable.js';

const MAX_CAUSES = 4;

/**
 * Name, message, code and stack of an error and of its cause. Other fields, such as requests and responses that libraries attach to
 * errors, stay out of the log.
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

/** A time-out is a DOMException, which is no native error for Node 20. */
export function isError(error: unknown): error is Error {
  return isNativeError(error) || error instanceof Error || error instanceof DOMException;
}
