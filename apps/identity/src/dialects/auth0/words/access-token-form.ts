/** Claims and header of JWT access tokens, in the form that their API wants. */
import type { AccessTokenForm, AccessTokenSubject } from '../../../core/dialect.js';
import { permissionsFor } from '../../../core/scopes.js';

/** Rewrites the claims of RFC 9068 into Auth0's. */
export function formAccessToken(
  { header, payload }: AccessTokenForm,
  { issuer, api, clientId, user, scopes, grantType }: AccessTokenSubject,
): AccessTokenForm {
  const { client_id: _, ...claims } = payload;
  return {
    header: api.tokenForm === 'dialect' ? { ...header, typ: 'JWT' } : header,
    payload: {
      ...claims,
      sub: user ? user.userId : `${clientId}@clients`,
      aud: user && scopes.includes('openid') ? [api.identifier, userinfoAudience(issuer)] : api.identifier,
      ...(api.tokenForm === 'dialect' ? { azp: clientId } : { client_id: clientId }),
      gty: grantType === 'client_credentials' ? 'client-credentials' : grantType,
      permissions: user ? permissionsFor(user, api) : scopes,
    },
  };
}

/** The second audience of a token that `/userinfo` also accepts. */
export function userinfoAudience(issuer: string): string {
  return `${issuer}userinfo`;
}
