/** The headers of an Express or Fastify request. */
export interface RequestHeaders {
  /** Node's request below Fastify's. */
  readonly raw?: { readonly rawHeaders?: readonly string[] };
  readonly rawHeaders?: readonly string[];
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** More than one Authorization header. */
export const SEVERAL_AUTHORIZATIONS = Symbol('several');

/**
 * Reads the one Authorization header of a request (RFC 9110 section 11.6.2).
 *
 * Node keeps only the first of several, where a proxy may have checked the last, so the raw headers are counted.
 */
export function readAuthorization(
  request: RequestHeaders,
): string | undefined | typeof SEVERAL_AUTHORIZATIONS {
  const rawHeaders = rawHeadersOf(request);
  if (rawHeaders.length === 0) return authorizationIn(request.headers);
  let authorization: string | undefined;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    if (name.length !== 13 || !isAuthorization(name)) continue;
    if (authorization !== undefined) return SEVERAL_AUTHORIZATIONS;
    authorization = rawHeaders[i + 1]!;
  }
  return authorization;
}

export function rawHeadersOf(request: RequestHeaders): readonly string[] {
  return request.raw?.rawHeaders ?? request.rawHeaders ?? [];
}

/**
 * For requests made by a serverless adapter, which have no raw headers. The adapter may keep several Authorization headers apart,
 * under names of other case or in a list; headers joined with commas are no bearer token (RFC 6750 section 2.1). A header
 * that it dropped cannot be detected.
 */
function authorizationIn(
  headers: RequestHeaders['headers'],
): string | undefined | typeof SEVERAL_AUTHORIZATIONS {
  const values = Object.keys(headers).flatMap((name) => (isAuthorization(name) ? (headers[name] ?? []) : []));
  return values.length > 1 ? SEVERAL_AUTHORIZATIONS : values[0];
}

function isAuthorization(name: string): boolean {
  return name === 'Authorization' || name === 'authorization' || name.toLowerCase() === 'authorization';
}
