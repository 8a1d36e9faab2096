import { z } from 'zod';

/** Longest subject, in Unicode characters; OpenID Connect Core section 2 allows 255 ASCII characters. */
export const MAX_SUBJECT_LENGTH = 256;
/** No control characters, and no halves of a surrogate pair: hashing loses these, and the hash would then name another user. */
const PLAIN_TEXT = /^[^\p{Cc}\p{Cs}]*$/u;

/** A subject as in all messages: a token is accepted only if a revocation can name its user. */
export const subjectSchema = z.string().min(1).max(MAX_SUBJECT_LENGTH).regex(PLAIN_TEXT);

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
