import type { EndpointPaths } from '../../../core/dialect.js';

export const paths = {
  authorization: '/authorize',
  jwks: '/.well-known/jwks.json',
  revocation: '/oauth/revoke',
  token: '/oauth/token',
  userinfo: '/userinfo',
} as const satisfies EndpointPaths;
