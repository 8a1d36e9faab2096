/** Parameters of a token request for the grants (RFC 6749 section 4.3, plus Auth0's `audience` and `realm`). */
import type { TokenEndpointGrantContext } from 'oidc-provider';
import type { Api, Client, Directory } from '../../core/directory.js';
import { missingParameter, unknownAudience } from '../../dialects/auth0/auth0-error.js';

export interface TokenRequest {
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly realm?: string | undefined;
  readonly audience?: string | undefined;
  /** RFC 8707, the standard's name for `audience`. */
  readonly resource?: string | undefined;
  readonly scope?: string | undefined;
}

export const tokenRequestParameters = [
  'username',
  'password',
  'realm',
  'audience',
  'resource',
  'scope',
] as const;

export type GrantContext = TokenEndpointGrantContext<TokenRequest>;

/** @throws Auth0Error 400 `invalid_request` */
export function required(request: TokenRequest, name: keyof TokenRequest): string {
  const value = request[name];
  if (value === undefined) throw missingParameter(name);
  return value;
}

/** @throws Auth0Error 403 `access_denied` for an audience without an API */
export function requestedApi({ audience, resource }: TokenRequest, directory: Directory): Api | undefined {
  const identifier = audience ?? resource;
  if (identifier === undefined) return undefined;
  const api = directory.apis.get(identifier);
  if (!api) throw unknownAudience(identifier);
  return api;
}

/** The seed's entry of the client authenticated by oidc-provider. */
export function authenticatedClient(ctx: GrantContext, directory: Directory): Client {
  const client = directory.clients.get(ctx.oidc.client.clientId);
  if (!client) throw new Error('an authenticated client is in the directory');
  return client;
}
