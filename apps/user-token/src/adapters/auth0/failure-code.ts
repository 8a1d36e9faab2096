/**
 * Why a request got no answer, in one word for a log: the code of the innermost error, e.g. ECONNREFUSED, or the answer of a proxy.
 * Never another message: it may repeat received data.
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

/** A time-out is a DOMException, and some versions of Node do not count it as an Error. */
function isError(value: unknown): value is Error {
  return (
    typeof (value as Error | undefined)?.message === 'string' && typeof (value as Error).name === 'string'
  );
}
