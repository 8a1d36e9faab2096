import type { Principal } from '@app/contract';
import { insufficientScope, invalidToken, type Refusal } from './refusal.js';

/** What a service and a route ask of a principal. */
export interface AccessRequirement {
  /** The token must be meant for at least one of these (RFC 9068 section 4). */
  readonly audience: readonly string[];
  /** All of these scopes. */
  readonly scopes: readonly string[];
  /** All of these permissions (Auth0 RBAC). */
  readonly permissions: readonly string[];
}

export type AccessDecision = { readonly allowed: true } | Refusal;

const insufficient = new WeakMap<AccessRequirement, Refusal>();
const ALLOWED: AccessDecision = { allowed: true };
const EXPIRED = invalidToken('expired');
const WRONG_AUDIENCE = invalidToken('wrong_audience');

/**
 * The one place where a principal is let in. Pure, and called on every request, whether the principal came from a cache
 * or from user-token: the cache holds facts, never decisions (CVE-2021-32701).
 */
export function decideAccess(
  principal: Principal,
  requirement: AccessRequirement,
  nowSeconds: number,
): AccessDecision {
  if (!(nowSeconds < principal.expiresAtSeconds)) return EXPIRED;
  if (!holdsOne(principal.audience, requirement.audience)) return WRONG_AUDIENCE;
  if (
    holdsAll(principal.scopes, requirement.scopes) &&
    holdsAll(principal.permissions, requirement.permissions)
  ) {
    return ALLOWED;
  }
  return insufficientFor(requirement);
}

/** One object for each requirement, so that a context words it once. */
function insufficientFor(requirement: AccessRequirement): Refusal {
  const known = insufficient.get(requirement);
  if (known) return known;
  const refusal = insufficientScope([...new Set([...requirement.scopes, ...requirement.permissions])]);
  insufficient.set(requirement, refusal);
  return refusal;
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
