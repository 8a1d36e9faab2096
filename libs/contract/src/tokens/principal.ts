import { z } from 'zod';
import { subjectSchema } from './subject.js';

/**
 * The user or client of a bearer token: facts that were verified once, never a decision. Scope, permission, audience
 * and expiry are judged against it on every request.
 */
export const principalSchema = z.strictObject({
  /** `sub` claim (RFC 9068 section 2.2), e.g. `auth0|ada`. */
  subject: subjectSchema,
  /** `client_id` (RFC 9068) or `azp` (Auth0's own profile); absent for opaque tokens. */
  clientId: z.string().optional(),
  /** `scope` claim, split at spaces. */
  scopes: z.array(z.string()),
  /** Auth0's `permissions` claim (RBAC). */
  permissions: z.array(z.string()),
  /** `iss` claim, exactly as configured. */
  issuer: z.string(),
  /** `aud` claim as a list. An opaque token is good for `<issuer>userinfo` only. */
  audience: z.array(z.string()),
  issuedAtSeconds: z.number(),
  /** For an opaque token, whose real expiry Auth0 does not tell, the time of the next question about it. */
  expiresAtSeconds: z.number(),
  /** Further claims on user-token's allow-list. */
  claims: z.record(z.string(), z.unknown()),
});

/** See {@link principalSchema}. */
export type Principal = Readonly<z.infer<typeof principalSchema>>;
