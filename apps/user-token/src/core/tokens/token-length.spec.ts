import { MAX_TOKEN_LENGTH } from '@app/contract';
import { tooLong } from './token-length.js';

it('the longest token that services take is not too long', () => {
  expect(tooLong('x'.repeat(MAX_TOKEN_LENGTH))).toBeUndefined();
});

it('a longer one is, and an operator is told what to do', () => {
  expect(tooLong('x'.repeat(MAX_TOKEN_LENGTH + 1))).toMatch(
    /has 12289 characters, and services take 12288 at the most: .*"Add Permissions in the Access Token"/,
  );
});
