// RFC 7517 section 5: fetches the key set of an issuer.
import { z } from 'zod';
import { failureCode } from './failure-code.js';
import { retryAfterSeconds } from './retry-after.js';

const MAX_BYTES = 1024 * 1024;

const jwksSchema = z.object({ keys: z.array(z.unknown()) });

export interface FetchJwksOptions {
  readonly timeoutMs: number;
  /** Default: Node's own. */
  readonly fetch?: typeof globalThis.fetch | undefined;
}

/** @throws {JwksRefused} for another status than 200; another error for an answer that is no key set, or is larger than 1 MiB */
export async function fetchJwks(
  uri: URL,
  { fetch = globalThis.fetch, timeoutMs }: FetchJwksOptions,
): Promise<readonly unknown[]> {
  const response = await fetch(uri, {
    redirect: 'error',
    headers: { accept: 'application/json' },
    signal: AbortSignal.timeout(timeoutMs),
  });
  if (response.status !== 200) throw new JwksRefused(response);
  return jwksSchema.parse(JSON.parse(await readText(response))).keys;
}

export class JwksRefused extends Error {
  readonly retryAfterSeconds: number | undefined;

  constructor(response: Response) {
    super(`the JWKS endpoint answered ${response.status}`);
    this.retryAfterSeconds = retryAfterSeconds(response);
  }
}

/** Why a fetch failed, in words for an operator. */
export function jwksFailure(error: unknown): string {
  if (error instanceof z.ZodError || error instanceof SyntaxError) return 'the JWKS endpoint sent no key set';
  // An error of `fetch` has its reason in `cause`.
  const isOwn = error instanceof Error && error.cause === undefined;
  return isOwn ? error.message : `no answer (${failureCode(error)})`;
}

async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > MAX_BYTES) throw new Error('the JWKS endpoint sent more than 1 MiB');
    chunks.push(chunk);
  }
  // TextDecoder drops a byte order mark.
  return new TextDecoder().decode(Buffer.concat(chunks));
}
