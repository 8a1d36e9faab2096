import type { CanonicalToken } from '@app/contract';

/** Passes any text off as a canonical token: the other side is to cope with it. */
export function asToken(text: string): CanonicalToken {
  return text as CanonicalToken;
}
