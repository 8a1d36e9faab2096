/**
 * Longest user name and password, in bytes of UTF-8. Upstream a byte takes up to three, for it goes into a form: both together
 * fit into the 16 KiB that authorization servers take, with as much again as the rest of the form needs.
 */
export const MAX_USERNAME_BYTES = 320;
export const MAX_PASSWORD_BYTES = 4096;

/** Whether a text can be encoded as it is, and in so many bytes. */
export function fits(text: string, maxBytes: number): boolean {
  // Half a surrogate pair would go out as another character.
  return !/\p{Surrogate}/u.test(text) && Buffer.byteLength(text) <= maxBytes;
}
