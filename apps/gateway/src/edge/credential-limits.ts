/** Whether a text can be encoded unchanged, within this number of bytes. */
export function fits(text: string, maxBytes: number): boolean {
  // Half a surrogate pair would be sent on as another character.
  return !/\p{Surrogate}/u.test(text) && Buffer.byteLength(text) <= maxBytes;
}
