/** Without escapes, and not looked at for what it stands in: who is guessed wrong costs another trip. */
const SUBJECT = /"sub":"([^"\\]+)"/;

/** Whom a JWT claims to speak for, unverified: good for naming keys and for nothing else. Undefined where it names nobody in clear. */
export function claimedSubject(token: string): string | undefined {
  const start = token.indexOf('.') + 1;
  const end = token.indexOf('.', start);
  if (start === 0 || end === -1) return undefined;
  return SUBJECT.exec(Buffer.from(token.slice(start, end), 'base64url').toString())?.[1];
}
