import { MAX_TOKEN_LENGTH } from '@app/contract';

/** What an operator has to know of an access token that no service would take, for its length; undefined of any other. */
export function tooLong({ length }: string): string | undefined {
  if (length <= MAX_TOKEN_LENGTH) return undefined;
  return `the access token that was granted has ${length} characters, and services take ${MAX_TOKEN_LENGTH} at the most: give its user fewer permissions or shorter ones, or leave them out of the token ("Add Permissions in the Access Token")`;
}
