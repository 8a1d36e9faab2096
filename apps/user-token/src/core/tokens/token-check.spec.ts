import type { Principal } from '@app/contract';
import { issuedAtForDenials } from './token-check.js';

const principal = { subject: 'auth0|ada', issuedAtSeconds: 1_800_000_000 } as Principal;

it.each([
  ['its time of issue', undefined, 1_800_000_000],
  ['its time of issue', false, 1_800_000_000],
  ['the beginning, so that every denial applies', true, 0],
])('denials see a token by %s (mayBeOlder: %s)', (_title, mayBeOlder, seconds) => {
  expect(issuedAtForDenials({ active: true, principal, mayBeOlder })).toBe(seconds);
});
