/** Whether a text can be encoded as it is, and in so many bytes. */
export function fits(text: string, maxBytes: number): boolean {
  // Half a surrogate pair would go out as another character.
  return !/\p{Surrogate}/u.test(text) && Buffer.byteLength(text) <= maxBytes;
}
