/** Claims and header of JWT access tokens, in the dialect of their API. */
import type { AccessToken, ClientCredentials, JWTStructured } from 'oidc-provider';
import type { Api, TokenDialect, User } from '../../core/directory.js';
import { permissionsFor } from '../../core/granted-scopes.js';

export interface AccessTokenSubject {
  readonly token: AccessToken | ClientCredentials;
  readonly api: Api;
  /** Absent for a client's own token. */
  readonly user: User | undefined;
  readonly issuer: string;
}

/** Rewrites the claims that oidc-provider will sign (RFC 9068) into Auth0's form. */
export function applyDialect(jwt: JWTStructured, { token, api, user, issuer }: AccessTokenSubject): void {
  const { client_id: clientId, ...claims } = jwt.payload;
  const scopes = (token.scope ?? '').split(' ').filter(Boolean);
  jwt.payload = {
    ...claims,
    sub: user ? user.userId : `${String(clientId)}@clients`,
    aud: user && scopes.includes('openid') ? [api.identifier, userinfoAudience(issuer)] : api.identifier,
    ...clientClaim(api.tokenDialect, clientId),
    gty: grantTypeClaim(token),
    permissions: user ? permissionsFor(user, api) : scopes,
  };
  if (api.tokenDialect === 'access_token') jwt.header = { ...jwt.header, typ: 'JWT' };
}

/** The second audience of a token that `/userinfo` also accepts. */
export function userinfoAudience(issuer: string): string {
  return `${issuer}userinfo`;
}

function clientClaim(dialect: TokenDialect, clientId: unknown): Record<string, unknown> {
  switch (dialect) {
    case 'access_token':
      return { azp: clientId };
    case 'rfc9068_profile':
      return { client_id: clientId };
    default:
      return dialect satisfies never;
  }
}

function grantTypeClaim(token: AccessToken | ClientCredentials): string {
  if (token.kind === 'ClientCredentials') return 'client-credentials';
  // oidc-provider writes "password refresh_token" for a refreshed token; Auth0 names the last grant.
  return token.gty.split(' ').at(-1) ?? token.gty;
}
