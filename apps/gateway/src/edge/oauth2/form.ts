import { OAuthError } from '../oauth-error.js';

/** Parameters of a request by name; each occurs once, and has a value. */
export type Form = ReadonlyMap<string, string>;

/** The parts of a Fastify request that are read. */
export interface FormRequest {
  readonly id: string;
  readonly ip: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Of `Content-Type`, in lower case, without parameters. */
  readonly mediaType?: string | undefined;
  readonly query: unknown;
  /** The raw bytes: a parser would hide doubled or nested parameters, and bytes that are not UTF-8. */
  readonly rawBody?: Buffer | undefined;
  readonly raw: { readonly rawHeaders: readonly string[] };
}

/** Parameters that must not be in a URL, because logs and proxies keep URLs (RFC 6749 section 2.3.1). */
const NOT_IN_QUERY = [
  'grant_type',
  'client_id',
  'client_secret',
  'username',
  'password',
  'refresh_token',
  'access_token',
  'token',
  'scope',
];

/**
 * Reads a request by RFC 6749 section 3.2 and appendix B: POST, a form in UTF-8, each parameter once; a parameter without a value
 * counts as absent.
 *
 * @throws {OAuthError} `invalid_request`; the description names only parameters of ours
 */
export function readForm(request: FormRequest): Form {
  const { method, query, mediaType } = request;
  if (method !== 'POST') {
    throw new OAuthError(405, 'invalid_request', 'Only POST is answered here', { allow: 'POST' });
  }
  const inQuery = NOT_IN_QUERY.filter((name) => Object.hasOwn(query as object, name));
  if (inQuery.length > 0) throw invalid(`Not to be given in the URL: ${inQuery.join(', ')}`);
  if (mediaType !== 'application/x-www-form-urlencoded') {
    // Existing clients expect 400 for JSON; RFC 6749 uses it for every malformed request.
    const status = mediaType === 'application/json' ? 400 : 415;
    const description = 'The body must be a form, with Content-Type: application/x-www-form-urlencoded';
    throw new OAuthError(status, 'invalid_request', description);
  }
  return parse(request.rawBody ?? Buffer.alloc(0));
}

/** @throws {OAuthError} when it is missing */
export function required(form: Form, name: string): string {
  const value = form.get(name);
  if (value === undefined) throw invalid(`Parameter ${name} is missing`);
  return value;
}

export function invalid(description: string): OAuthError {
  return new OAuthError(400, 'invalid_request', description);
}

/** @returns undefined for a text that is not percent-encoded UTF-8 */
export function formDecoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return undefined;
  }
}

function parse(body: Buffer): Form {
  const form = new Map<string, string>();
  const seen = new Set<string>();
  for (const pair of utf8(body).split('&')) {
    if (pair === '') continue;
    const at = pair.indexOf('=');
    const name = formDecoded(at === -1 ? pair : pair.slice(0, at));
    const value = formDecoded(at === -1 ? '' : pair.slice(at + 1));
    if (name === undefined || value === undefined) throw invalid('The form is not percent-encoded UTF-8');
    if (seen.has(name)) throw invalid('A parameter is given more than once');
    seen.add(name);
    if (value !== '') form.set(name, value);
  }
  return form;
}

function utf8(body: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
  } catch {
    throw invalid('The form is not UTF-8');
  }
}
