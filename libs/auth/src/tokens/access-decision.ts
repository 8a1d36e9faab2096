import type { Principal } from '@app/contract';

/** What a service and a route ask of a principal. */
export interface AccessRequirement {
  /** The token must be meant for at least one of these (RFC 9068 section 4). */
  readonly audience: readonly string[];
  /** All of these scopes. */
  readonly scopes: readonly string[];
  /** All of these permissions (Auth0 RBAC). */
  readonly permissions: readonly string[];
}

/** `invalid_token`: not acceptable here at all. `insufficient_scope`: known, but not allowed to do this; `needed` names what would be enough. */
export type AccessDecision =
  | { readonly allowed: true }
  | { readonly allowed: false; readonly error: 'invalid_token' }
  | { readonly allowed: false; readonly error: 'insufficient_scope'; readonly needed: readonly string[] };

const ALLOWED: AccessDecision = { allowed: true };
const INVALID_TOKEN: AccessDecision = { allowed: false, error: 'invalid_token' };

/**
 * The one place where a principal is let in. Pure, and called on every request, whether the principal came from a cache
 * or from user-token: the cache holds facts, never decisions (CVE-2021-32701).
 */
export function decideAccess(
  principal: Principal,
  requirement: AccessRequirement,
  nowSeconds: number,
): AccessDecision {
  if (!(nowSeconds < principal.expiresAtSeconds)) return INVALID_TOKEN;
  if (!holdsOne(principal.audience, requirement.audience)) return INVALID_TOKEN;
  if (
    holdsAll(principal.scopes, requirement.scopes) &&
    holdsAll(principal.permissions, requirement.permissions)
  ) {
    return ALLOWED;
  }
  return {
    allowed: false,
    error: 'insufficient_scope',
    needed: [...new Set([...requirement.scopes, ...requirement.permissions])],
  };
}

// Loops, because V8 has no fast path for `includes` of a frozen list.

function holdsOne(held: readonly string[], wanted: readonly string[]): boolean {
  for (const one of wanted) if (holds(held, one)) return true;
  return false;
}

function holdsAll(held: readonly string[], wanted: readonly string[]): boolean {
  for (const one of wanted) if (!holds(held, one)) return false;
  return true;
}

function holds(held: readonly string[], wanted: string): boolean {
  for (let i = 0; i < held.length; i += 1) if (held[i] === wanted) return true;
  return false;
}
