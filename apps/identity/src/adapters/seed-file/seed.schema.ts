/** The shape of a seed file. Names are those of Auth0's Management API v2, where it has one. */
import { z } from 'zod';
import { parsePasswordHash } from '../../core/password-hash.js';

const name = z.string().trim().min(1);
/** One scope token, RFC 6749 section 3.3. */
const scope = z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, 'a scope holds no space, quote or backslash');
const scopes = z.array(scope);
const seconds = z.int().min(1).max(31_557_600);
const email = z.email('not an e-mail address');

const api = z.strictObject({
  identifier: name,
  name,
  scopes,
  token_lifetime_seconds: seconds.default(86_400),
  allow_offline_access: z.boolean().default(false),
  token_dialect: z.enum(['access_token', 'rfc9068_profile']).default('access_token'),
});

const client = z.strictObject({
  client_id: z.string().regex(/^[\x21-\x7e]+$/, 'a client_id is printable ASCII without spaces'),
  client_secret: z.string().min(16, 'a client_secret has at least 16 characters'),
  grant_types: z
    .array(
      z.enum([
        'password',
        'http://auth0.com/oauth/grant-type/password-realm',
        'refresh_token',
        'client_credentials',
      ]),
    )
    .min(1),
  is_token_endpoint_ip_header_trusted: z.boolean().default(false),
  access_token_lifetime_seconds: seconds.optional(),
  refresh_token_lifetime_seconds: seconds.default(2_592_000),
  refresh_token_leeway_seconds: z.int().min(0).max(60).default(0),
  client_grants: z.record(z.string(), scopes).default({}),
});

const user = z.strictObject({
  user_id: z.string().regex(/^[^\s|]+\|\S+$/, 'not of the form auth0|name'),
  email,
  email_verified: z.boolean().default(false),
  name: name.optional(),
  nickname: name.optional(),
  given_name: name.optional(),
  family_name: name.optional(),
  picture: z.url('not a URL').optional(),
  connection: name.optional(),
  password: z.string().superRefine((text, context) => {
    const parsed = parsePasswordHash(text);
    if (typeof parsed === 'string') {
      context.addIssue(`bad password hash: ${parsed}; make one with hash-password`);
    }
  }),
  blocked: z.boolean().default(false),
  permissions: z.record(z.string(), scopes).default({}),
});

/** `check-references.ts` checks duplicates, and references between the parts. */
export const seedSchema = z.strictObject({
  default_directory: name.optional(),
  connections: z.array(z.strictObject({ name })).min(1),
  apis: z.array(api),
  clients: z.array(client),
  users: z.array(user),
});

export type SeedDocument = z.infer<typeof seedSchema>;
