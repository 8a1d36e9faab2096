import { isCanonicalToken, isJwt, issuedTokenKind, type CanonicalToken } from '@app/contract';
import { TokenCheck, type CheckedToken } from '../../core/tokens/token-check.js';

const MALFORMED: CheckedToken = {
  active: false,
  reason: 'malformed',
  detail: 'it is too long, or neither a signed JWT nor opaque as Auth0 issues them',
};

/** Checks a JWT by its signature, a token of ours by its record, and a possibly opaque one by a question to its issuer. Refuses the rest. */
export class TokenCheckByForm extends TokenCheck {
  constructor(
    private readonly jwt: TokenCheck,
    private readonly opaque: TokenCheck,
    private readonly issued: TokenCheck,
    /** Whether to check a JWT that is too long for a request. A granted one may be: its holder may get another token for it. */
    private readonly longJwts: 'check' | 'refuse' = 'refuse',
  ) {
    super();
  }

  override check(accessToken: string): Promise<CheckedToken> {
    if (this.longJwts === 'check' && isJwt(accessToken) && isCanonicalToken(accessToken, Infinity))
      return this.jwt.check(accessToken);
    if (!isCanonicalToken(accessToken)) return Promise.resolve(MALFORMED);
    switch (formOf(accessToken)) {
      case 'jwt':
        return this.jwt.check(accessToken);
      case 'issued':
        return this.issued.check(accessToken);
      case 'opaque':
        return this.opaque.check(accessToken);
      case undefined:
        return Promise.resolve(MALFORMED);
    }
  }
}

/** The kind of a token by its form: a JWT, one of ours, or possibly one that is opaque to all but its issuer. Undefined for none of them. */
export function formOf(accessToken: CanonicalToken): 'jwt' | 'issued' | 'opaque' | undefined {
  if (isJwt(accessToken)) return 'jwt';
  if (issuedTokenKind(accessToken) === 'access') return 'issued';
  return isOpaqueToken(accessToken) ? 'opaque' : undefined;
}

/** Tokens of one part: 16 or 32 characters of older Auth0 tenants, 43 (256 bits) of the bundled server. */
const SINGLE_PART = /^(?:[A-Za-z0-9_-]{16}|[A-Za-z0-9_-]{32}|[A-Za-z0-9_-]{43})$/;

/** Whether a token of this form can be active. Any other form is not worth a request, because their number is limited. */
function isOpaqueToken(accessToken: string): boolean {
  const parts = accessToken.split('.');
  if (parts.length === 1) return SINGLE_PART.test(accessToken);
  try {
    const header: unknown = JSON.parse(Buffer.from(parts[0]!, 'base64url').toString());
    const { alg, enc } = header as { alg?: unknown; enc?: unknown };
    // RFC 7516 section 4.1: only `dir` has no encrypted key.
    return typeof enc === 'string' && (alg === 'dir' ? parts[1] === '' : typeof alg === 'string');
  } catch {
    return false;
  }
}
