/**
 * Why a request got no answer, in a word for a log: the code of what lies at the bottom of the error, which libraries wrap, such as
 * ECONNREFUSED, or what a proxy has answered. Messages may repeat what was received.
 */
export function failureCode(error: unknown): string {
  let code: string | undefined;
  let name = 'error';
  for (let inner = error; isError(inner); inner = inner.cause) {
    if (inner.message.startsWith('Proxy response')) return inner.message;
    if ('code' in inner && typeof inner.code === 'string') code = inner.code;
    name = inner.name;
  }
  return code ?? name;
}

/** Time-outs and the like are DOMExceptions, which not all versions of Node count among errors. */
function isError(value: unknown): value is Error {
  return (
    typeof (value as Error | undefined)?.message === 'string' && typeof (value as Error).name === 'string'
  );
}
