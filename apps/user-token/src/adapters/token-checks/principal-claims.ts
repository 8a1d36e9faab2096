// RFC 9068 section 2.2 and Auth0's own profile: claims of an access token, and their types.
import { LineLimit } from '@app/ops';
import { MAX_SUBJECT_LENGTH, subjectSchema } from '@app/contract';
import type { Log } from '../../core/log.js';

/** Claims of a JWT, or an answer of `/userinfo`. */
export type Claims = Readonly<Record<string, unknown>>;

/** What a token grants, and its client. */
export interface Grants {
  readonly clientId?: string;
  readonly scopes: string[];
  readonly permissions: string[];
}

/** RFC 6749 section 3.3; several spaces in a row are allowed. */
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e ]*$/;
const CLIENT_ID = /^[^\p{Cc}\p{Cs}]{1,256}$/u;

/** Total length of a principal's further claims, in characters of JSON. Messages and caches carry them. */
const MAX_FURTHER_LENGTH = 8_192;
const MAX_DEPTH = 16;

const MAX_LOGGED_LENGTH = 64;

/**
 * The one place that decides about the form of claims. A claim of a wrong type grants nothing and is never converted; the log names
 * it.
 */
export class PrincipalClaims {
  private readonly limit = new LineLimit();

  constructor(
    /** Names of a principal's further claims. */
    private readonly names: readonly string[],
    private readonly log: Log,
  ) {}

  /** @returns undefined for a subject that no revocation can name */
  subject(sub: string): string | undefined {
    const { success, data } = subjectSchema.safeParse(sub);
    if (success) return data;
    const more = this.limit.admit('subject');
    if (more) {
      const subject = sub.slice(0, MAX_LOGGED_LENGTH);
      this.log.warn(
        { subject, subjectLength: sub.length, ...more },
        `a token is refused because its subject could not be revoked: it has more than ${MAX_SUBJECT_LENGTH} characters, or control characters`,
      );
    }
    return undefined;
  }

  grants(claims: Claims): Grants {
    const idName = claims['client_id'] === undefined ? 'azp' : 'client_id';
    const clientId = this.typed(claims, idName, clientIdOf);
    return {
      ...(clientId !== undefined && { clientId }),
      scopes: this.typed(claims, 'scope', scopesOf) ?? [],
      permissions: this.typed(claims, 'permissions', textsOf) ?? [],
    };
  }

  /** Reads own properties only: the name of a claim may be `__proto__`. */
  further(claims: Claims): Record<string, unknown> {
    let length = 0;
    const carried = Object.entries(claims).filter(([name, value]) => {
      if (!this.names.includes(name)) return false;
      const ownLength = isShallow(value, MAX_DEPTH) ? JSON.stringify([name, value]).length : Infinity;
      if (length + ownLength > MAX_FURTHER_LENGTH) {
        this.tellIgnored(name);
        return false;
      }
      length += ownLength;
      return true;
    });
    return Object.fromEntries(carried);
  }

  private typed<T>(claims: Claims, name: string, read: (value: unknown) => T | undefined): T | undefined {
    const value = claims[name];
    const typed = value === undefined ? undefined : read(value);
    if (value !== undefined && typed === undefined) this.tellIgnored(name);
    return typed;
  }

  private tellIgnored(claim: string): void {
    this.log.debug({ claim }, 'a claim of a token is not of its type, or is too large: it counts as absent');
  }
}

/** `aud` as a list; undefined for anything but a text or a list of texts (RFC 7519 section 4.1.3). */
export function audienceOf(aud: unknown): string[] | undefined {
  return typeof aud === 'string' ? textsOf([aud]) : textsOf(aud);
}

/** A NumericDate (RFC 7519 section 2) since 1970, with or without a fraction, that is a safe number in milliseconds. */
export function timeOf(value: unknown): number | undefined {
  return typeof value === 'number' && value >= 0 && value * 1000 <= Number.MAX_SAFE_INTEGER
    ? value
    : undefined;
}

function clientIdOf(value: unknown): string | undefined {
  return typeof value === 'string' && CLIENT_ID.test(value) ? value : undefined;
}

function scopesOf(value: unknown): string[] | undefined {
  if (typeof value !== 'string' || !SCOPE.test(value)) return undefined;
  return [...new Set(value.split(' ').filter(Boolean))];
}

/** A list of different texts, none of them empty. */
function textsOf(value: unknown): string[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const isText = (entry: unknown): entry is string => typeof entry === 'string' && entry !== '';
  return value.every(isText) ? [...new Set(value)] : undefined;
}

function isShallow(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return depth > 0 && Object.values(value).every((inner) => isShallow(inner, depth - 1));
}
