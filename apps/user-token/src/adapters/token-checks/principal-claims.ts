// RFC 9068 section 2.2 and Auth0's own profile: what the claims of an access token say, and in which types.
import { LineLimit } from '@app/ops';
import { MAX_SUBJECT_LENGTH, subjectSchema } from '@app/contract';
import type { Log } from '../../core/log.js';

/** Claims of a JWT, or an answer of `/userinfo`. */
export type Claims = Readonly<Record<string, unknown>>;

/** What a token grants, and to which client. */
export interface Grants {
  readonly clientId?: string;
  readonly scopes: string[];
  readonly permissions: string[];
}

/** RFC 6749 section 3.3, more than one space forgiven. */
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e ]*$/;
const CLIENT_ID = /^[^\p{Cc}\p{Cs}]{1,256}$/u;

/** What the further claims of a principal may take altogether, in characters of JSON; they travel and are cached with it. */
const MAX_FURTHER_LENGTH = 8_192;
const MAX_DEPTH = 16;

const MAX_LOGGED_LENGTH = 64;

/**
 * The one place that decides what a claim may look like. One that is not of its type grants nothing, and is nowhere made into
 * something that it could have meant; the log says so.
 */
export class PrincipalClaims {
  private readonly limit = new LineLimit();

  constructor(
    /** Names of the further claims that a principal carries. */
    private readonly names: readonly string[],
    private readonly log: Log,
  ) {}

  /** @returns undefined for a subject that no revocation could name */
  subject(sub: string): string | undefined {
    const { success, data } = subjectSchema.safeParse(sub);
    if (success) return data;
    const more = this.limit.admit('subject');
    if (more) {
      const subject = sub.slice(0, MAX_LOGGED_LENGTH);
      this.log.warn(
        { subject, subjectLength: sub.length, ...more },
        `a token is refused, for its subject could not be revoked: it has more than ${MAX_SUBJECT_LENGTH} characters, or control characters`,
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

  /** Own properties only: a claim may be called `__proto__`. */
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

/** `aud` as a list; undefined where it is neither a text nor a list of texts (RFC 7519 section 4.1.3). */
export function audienceOf(aud: unknown): string[] | undefined {
  return typeof aud === 'string' ? textsOf([aud]) : textsOf(aud);
}

/** NumericDate (RFC 7519 section 2) since 1970, with or without a fraction, that can be counted with in milliseconds. */
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

/** A list of texts that are not empty, each once. */
function textsOf(value: unknown): string[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const isText = (entry: unknown): entry is string => typeof entry === 'string' && entry !== '';
  return value.every(isText) ? [...new Set(value)] : undefined;
}

function isShallow(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return depth > 0 && Object.values(value).every((inner) => isShallow(inner, depth - 1));
}
