import { MAX_TOKEN_LENGTH } from '@app/contract';

/** The message to the operator about an access token too long for services; undefined for any other token. */
export function tooLong({ length }: string): string | undefined {
  if (length <= MAX_TOKEN_LENGTH) return undefined;
  return `the access token that was granted has ${length} characters, and services take ${MAX_TOKEN_LENGTH} at the most: give its user fewer permissions or shorter ones, or leave them out of the token ("Add Permissions in the Access Token")`;
}
