/** Secrets that are public in this repository. Outside of ENVIRONMENT=local no secret setting accepts one. */
export const PUBLISHED_SECRETS = {
  tokenCache: 'local-only-token-cache-secret-change-me',
  session: 'local-only-session-secret-change-me-000',
  auth0Client: 'venue-suite-local-secret',
  briefClient: 'brief-local-secret',
  portalClient: 'portal-secret-for-local-use',
} as const;
