import { hash } from 'node:crypto';
import { tokenId } from './token-id.js';

const sha256 = (text: string) => hash('sha256', text, 'base64url');

it.each([
  ['a JWT by what is signed, whatever the spelling of its signature', 'aaaa.bbbb.cccc', 'aaaa.bbbb'],
  ['a JWE as a whole', 'aaaa..bbbb.cccc.dddd', 'aaaa..bbbb.cccc.dddd'],
  ['an opaque token as a whole', 'opaque', 'opaque'],
  ['two parts as a whole', 'aaaa.bbbb', 'aaaa.bbbb'],
])('tokenId identifies %s', (_title, token, identified) => {
  expect(tokenId(token)).toBe(sha256(identified));
});
