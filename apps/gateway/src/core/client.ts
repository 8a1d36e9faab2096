import { hash, randomBytes, timingSafeEqual } from 'node:crypto';

/** RFC 6749 section 1.3: the supported grants. */
export const GRANT_TYPES = ['password', 'refresh_token'] as const;
export type GrantType = (typeof GRANT_TYPES)[number];

/** A hashed secret of a client. Several can be valid, so that one can be replaced while the other is still in use. */
export interface ClientSecret {
  /** `sha256$<salt>$<hash>`, both base64url. */
  readonly hash: string;
  /** Absent: does not expire. */
  readonly expiresAtSeconds?: number | undefined;
}

/** A registered client (RFC 6749 section 2). All are confidential: they have a secret and can keep it. */
export interface Client {
  readonly clientId: string;
  readonly enabled: boolean;
  readonly grantTypes: readonly GrantType[];
  readonly scopes: readonly string[];
  readonly secrets: readonly ClientSecret[];
}

/** The registered clients. */
export abstract class ClientRegistry {
  /** @throws {StoreUnavailable} if the clients cannot be read */
  abstract find(clientId: string): Promise<Client | undefined>;
  /** Every scope of at least one enabled client. */
  abstract scopes(): Promise<readonly string[]>;
  /** For operators: `revision <...>` of the last read clients, and which of them are not in force. */
  abstract inForce(): string;
  /** Why these are not the current clients, or cannot be used; undefined while all is well. */
  abstract readonly trouble: string | undefined;
  abstract close(): Promise<void>;
}

/** Every scope of at least one enabled client, each once. */
export function scopesOf(clients: readonly Client[]): readonly string[] {
  return [...new Set(clients.filter(({ enabled }) => enabled).flatMap(({ scopes }) => scopes))].sort();
}

const SECRET_BYTES = 32;
const SALT_BYTES = 16;

/** 256 random bits, base64url. */
export function newClientSecret(): string {
  return randomBytes(SECRET_BYTES).toString('base64url');
}

/**
 * We make secrets from 256 random bits: they cannot be guessed, so a slow hash would protect nothing, and a check on every request
 * must not cost 50 ms of CPU.
 */
export function hashClientSecret(secret: string): string {
  const salt = randomBytes(SALT_BYTES).toString('base64url');
  return `sha256$${salt}$${digest(salt, secret)}`;
}

/** Whether this is a secret of the client that has not expired. Takes the same time for a client that does not exist. */
export function isClientSecret(client: Client | undefined, secret: string, nowSeconds: number): boolean {
  const candidates = client && client.secrets.length > 0 ? client.secrets : NOBODYS;
  let found = false;
  for (const { hash: stored, expiresAtSeconds = Infinity } of candidates) {
    const [, salt = '', expected = ''] = stored.split('$');
    const matches = equal(digest(salt, secret), expected);
    found ||= matches && nowSeconds < expiresAtSeconds;
  }
  return found && client !== undefined;
}

const NOBODYS: readonly ClientSecret[] = [{ hash: hashClientSecret(newClientSecret()) }];

function digest(salt: string, secret: string): string {
  return hash('sha256', `${salt}\0${secret}`, 'base64url');
}

function equal(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
