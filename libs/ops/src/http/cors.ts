// Cross-origin resource sharing: https://fetch.spec.whatwg.org/#http-cors-protocol
import type { z } from 'zod';
import { list, type Setting } from '../settings/settings.js';

/** Headers that a page needs besides the body: the reason of a refusal, the time to retry, and the id to quote to an operator. */
const EXPOSED_HEADERS = ['WWW-Authenticate', 'Retry-After', 'X-Request-Id'];

/** How long a browser may keep a preflight's answer, in seconds. */
const PREFLIGHT_MAX_AGE_SECONDS = 600;

/** `CORS_ORIGINS` of a service with front ends. */
export const corsOriginsSetting: Setting<readonly string[]> = {
  schema: origins().default([]),
  doc: 'other origins with pages that may call this service, comma-separated, e.g. https://app.acme.example',
};

/** Comma-separated origins, each as a browser writes it into `Origin` (RFC 6454 section 6.1). */
function origins(): z.ZodType<readonly string[]> {
  const message = 'must be comma-separated origins as browsers send them, such as https://app.acme.example';
  return list().refine((entries) => entries.every(isOrigin), message);
}

/** Neither a path nor a slash at the end, no default port, no `*` and no `null`. */
function isOrigin(entry: string): boolean {
  return /^https?:[^*]+$/.test(entry) && URL.canParse(entry) && new URL(entry).origin === entry;
}

/** Without credentials: no cookie means anything here, tokens travel in `Authorization`. */
export function corsOptions(allowed: readonly string[]) {
  return {
    origin: [...allowed],
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    exposedHeaders: EXPOSED_HEADERS,
    maxAge: PREFLIGHT_MAX_AGE_SECONDS,
    // The plugin would word its own answer to any other OPTIONS.
    strictPreflight: false,
  };
}

/** Headers of an answer sent before {@link corsOptions} apply. */
export function corsHeaders(
  origin: string | undefined,
  allowed: readonly string[],
): Readonly<Record<string, string>> {
  if (allowed.length === 0) return {};
  if (origin === undefined || !allowed.includes(origin)) return { vary: 'Origin' };
  return {
    vary: 'Origin',
    'access-control-allow-origin': origin,
    'access-control-expose-headers': EXPOSED_HEADERS.join(', '),
  };
}
