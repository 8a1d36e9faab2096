import { isNativeError } from 'node:util/types';

/**
 * Why a request got no answer, in a word for a log: what lies at the bottom of the error, which libraries wrap, such as ECONNREFUSED,
 * or what a proxy has answered.
 */
export function failureCode(error: unknown): string {
  if (!isNativeError(error) && !(error instanceof Error)) return 'error';
  if (error.message.startsWith('Proxy response')) return error.message;
  const below = isNativeError(error.cause) ? failureCode(error.cause) : undefined;
  const { code } = error as { code?: unknown };
  return below ?? (typeof code === 'string' ? code : error.name);
}
