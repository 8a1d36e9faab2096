import type { Dialect } from '../../../core/dialect.js';
import { formAccessToken, userinfoAudience } from './access-token-form.js';
import { clientCredentialsGrant } from './client-credentials.grant.js';
import { errorWords } from './error-words.js';
import { passwordGrant, passwordRealmGrant } from './password.grant.js';
import { paths } from './paths.js';
import { tokenRequestParameters } from './token-request.js';

/** Auth0's Authentication API, as far as its password grant goes. */
export const auth0Dialect: Dialect = {
  paths,
  grants: {
    password: passwordGrant,
    'http://auth0.com/oauth/grant-type/password-realm': passwordRealmGrant,
    client_credentials: clientCredentialsGrant,
  },
  grantParameters: tokenRequestParameters,
  endUserAddressHeader: 'auth0-forwarded-for',
  lifetimes: { opaqueAccessTokenSeconds: 86_400, idTokenSeconds: 36_000 },
  // Event codes of Auth0's logs: success and failure of exchanging a password for a token.
  attemptWords: { success: 'sepft', failure: 'fepft' },
  userinfoAudience,
  formAccessToken,
  errorWords,
};
