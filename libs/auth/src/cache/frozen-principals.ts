import type { Principal } from '@app/contract';

/** Maximum number of different shared lists; a deployment has a few dozen. */
const MAX_LISTS = 1_000;

/**
 * Principals as requests get them: deeply frozen, because all requests of a token get the same one. Equal lists of
 * scopes, permissions and audiences are one list, so that a thousand principals take the memory, and the processor's cache, of
 * a few.
 */
export class FrozenPrincipals {
  private readonly lists = new Map<string, readonly string[]>();
  /** What the last principal had, which the next one often has, too. */
  private last: Principal | undefined;

  of(principal: Principal): Principal {
    const { subject, clientId, issuer, issuedAtSeconds, expiresAtSeconds } = principal;
    const { last } = this;
    // Written out: objects made in one place have one shape, which makes reads faster.
    this.last = Object.freeze({
      subject,
      clientId,
      scopes: this.list(principal.scopes, last?.scopes),
      permissions: this.list(principal.permissions, last?.permissions),
      issuer,
      audience: this.list(principal.audience, last?.audience),
      issuedAtSeconds,
      expiresAtSeconds,
      claims: deepFrozen(principal.claims),
    }) as Principal;
    return this.last;
  }

  private list(list: readonly string[], last: readonly string[] | undefined): readonly string[] {
    if (last && areEqual(last, list)) return last;
    const name = list.join(' ');
    const known = this.lists.get(name);
    if (known && areEqual(known, list)) return known;
    if (this.lists.size >= MAX_LISTS) this.lists.clear();
    const frozen = Object.freeze([...list]);
    this.lists.set(name, frozen);
    return frozen;
  }
}

/** The values may contain spaces. */
function areEqual(one: readonly string[], other: readonly string[]): boolean {
  if (one.length !== other.length) return false;
  for (let i = 0; i < one.length; i += 1) if (one[i] !== other[i]) return false;
  return true;
}

function deepFrozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const inner of Object.values(value)) deepFrozen(inner);
  return Object.freeze(value);
}
