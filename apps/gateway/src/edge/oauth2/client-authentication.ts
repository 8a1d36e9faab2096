import { readAuthorization, SEVERAL_AUTHORIZATIONS } from '@app/auth';
import { LRUCache } from 'lru-cache';
import { isClientSecret, type Client, type ClientRegistry } from '../../core/client.js';
import { OAuthError } from '../oauth-error.js';
import { REALM } from '../presented-token.decorator.js';
import { formDecoded, invalid, type Form, type FormRequest } from './form.js';

export const BASIC_CHALLENGE = `Basic realm="${REALM}", charset="UTF-8"`;

/** Number of wrong secrets for one client from one address before further ones must wait. */
const MAX_FAILURES = 20;
const FAILURE_WINDOW_MS = 60_000;
const MAX_WATCHED = 10_000;

interface ClientCredentials {
  readonly clientId: string;
  readonly clientSecret: string;
}

/** Authenticates clients by HTTP Basic or by the post body (RFC 6749 section 2.3.1), never by both. */
export class ClientAuthentication {
  // The right secret still passes: 256 random bits cannot be guessed, and many clients can share one address.
  private readonly failures = new LRUCache<string, number>({ max: MAX_WATCHED, ttl: FAILURE_WINDOW_MS });

  constructor(private readonly registry: ClientRegistry) {}

  /** @throws {OAuthError} `invalid_request`, `invalid_client`, or 429; {StoreUnavailable} */
  async authenticate(request: FormRequest, form: Form): Promise<Client> {
    const header = authorizationOf(request);
    const bodySecret = form.get('client_secret');
    const bodyId = form.get('client_id');
    if (header !== undefined && bodySecret !== undefined) {
      throw invalid('The client is authenticated in more than one way');
    }
    const refusal = invalidClient(header !== undefined || bodySecret === undefined);
    const candidates =
      header !== undefined
        ? basicCredentials(header)
        : bodyId !== undefined && bodySecret !== undefined
          ? [{ clientId: bodyId, clientSecret: bodySecret }]
          : [];
    if (candidates.length === 0) throw refusal;
    const client = await this.firstMatch(candidates);
    if (!client) {
      const watched = `${candidates[0]!.clientId.slice(0, 128)}\0${request.ip}`;
      this.assertNotGuessing(watched);
      this.failures.set(watched, (this.failures.get(watched) ?? 0) + 1, { noUpdateTTL: true });
      throw refusal;
    }
    if (bodyId !== undefined && bodyId !== client.clientId) {
      throw invalid('client_id names another client than the one that is authenticated');
    }
    return client;
  }

  private async firstMatch(candidates: readonly ClientCredentials[]): Promise<Client | undefined> {
    for (const { clientId, clientSecret } of candidates) {
      const client = await this.registry.find(clientId);
      if (isClientSecret(client, clientSecret, Date.now() / 1000) && client?.enabled) return client;
    }
    return undefined;
  }

  private assertNotGuessing(watched: string): void {
    if ((this.failures.get(watched) ?? 0) < MAX_FAILURES) return;
    const retryAfterSeconds = Math.max(1, Math.ceil(this.failures.getRemainingTTL(watched) / 1000));
    throw new OAuthError(429, 'too_many_attempts', 'Too many wrong secrets for this client', {
      retryAfterSeconds,
    });
  }
}

/** RFC 6749 section 5.2: a request with an Authorization header, or with no credentials, gets the scheme. */
function invalidClient(challenged: boolean): OAuthError {
  return new OAuthError(
    401,
    'invalid_client',
    'The client is unknown, disabled, or its secret is wrong',
    challenged ? { challenge: BASIC_CHALLENGE } : {},
  );
}

function authorizationOf(request: FormRequest): string | undefined {
  const authorization = readAuthorization(request);
  if (authorization === SEVERAL_AUTHORIZATIONS)
    throw invalid('The request has more than one Authorization header');
  return authorization;
}

/**
 * Both readings of a Basic header: form-urlencoded first, as RFC 6749 section 2.3.1 says, and raw, as curl and others send it.
 * They differ only for secrets with `%` or `+`, and either reading proves the secret.
 */
function basicCredentials(header: string): ClientCredentials[] {
  const [, encoded] = /^Basic +([A-Za-z0-9+/]+={0,2})$/i.exec(header) ?? [];
  const pair = encoded === undefined ? undefined : utf8(Buffer.from(encoded, 'base64'));
  const colon = pair?.indexOf(':') ?? -1;
  if (pair === undefined || colon === -1) return [];
  const raw = { clientId: pair.slice(0, colon), clientSecret: pair.slice(colon + 1) };
  const clientId = formDecoded(raw.clientId);
  const clientSecret = formDecoded(raw.clientSecret);
  if (clientId === undefined || clientSecret === undefined) return [raw];
  const same = clientId === raw.clientId && clientSecret === raw.clientSecret;
  return same ? [raw] : [{ clientId, clientSecret }, raw];
}

function utf8(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
