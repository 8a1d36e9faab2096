import { retryAfterSeconds } from './retry-after.js';

const NOW_MS = Date.parse('2026-03-01T12:00:00Z');
const NOW_UNIX = NOW_MS / 1000;

const told = (headers: Record<string, string>, status = 429) =>
  retryAfterSeconds(new Response(null, { status, headers }), NOW_MS);

describe('the wait that a server asks for', () => {
  it.each<[string, Record<string, string>, number]>([
    ['seconds', { 'retry-after': '17' }, 17],
    ['seconds, with blanks', { 'retry-after': ' 17 ' }, 17],
    ['a fraction of a second', { 'retry-after': '0.2' }, 1],
    ['zero', { 'retry-after': '0' }, 1],
    ['a day', { 'retry-after': '86400' }, 300],
    ['400 digits', { 'retry-after': '9'.repeat(400) }, 300],
    ['a date', { 'retry-after': 'Sun, 01 Mar 2026 12:00:42 GMT' }, 42],
    ["a date in RFC 850's format", { 'retry-after': 'Sunday, 01-Mar-26 12:00:42 GMT' }, 42],
    ["a date in asctime's format", { 'retry-after': 'Sun Mar  1 12:00:42 2026' }, 42],
    ['a date in the past', { 'retry-after': 'Sun, 01 Mar 2026 11:00:00 GMT' }, 1],
    [
      "a date by the server's own clock",
      { 'retry-after': 'Sun, 01 Mar 2026 13:00:42 GMT', date: 'Sun, 01 Mar 2026 13:00:00 GMT' },
      42,
    ],
    ["the end of Auth0's limit", { 'x-ratelimit-reset': String(NOW_UNIX + 30) }, 30],
    [
      "the end of Auth0's limit by the server's own clock",
      { 'x-ratelimit-reset': String(NOW_UNIX + 3_630), date: 'Sun, 01 Mar 2026 13:00:00 GMT' },
      30,
    ],
    ['the end of a limit in the past', { 'x-ratelimit-reset': String(NOW_UNIX - 30) }, 1],
    ['the end of a limit in an hour', { 'x-ratelimit-reset': String(NOW_UNIX + 3_600) }, 300],
    ['seconds of a limit', { 'x-ratelimit-reset': '30' }, 30],
    ['two headers that differ', { 'retry-after': '5', 'x-ratelimit-reset': String(NOW_UNIX + 60) }, 5],
    ['a limit, and an invalid Retry-After', { 'retry-after': 'soon', 'x-ratelimit-reset': '30' }, 30],
  ])('comes from %s', (_title, headers, seconds) => {
    expect(told(headers)).toBe(seconds);
  });

  it.each<[string, Record<string, string>]>([
    ['nothing', {}],
    ['an empty text', { 'retry-after': '' }],
    ['a word', { 'retry-after': 'soon' }],
    ['a negative number', { 'retry-after': '-5' }],
    ['a year', { 'retry-after': 'x2026' }],
    ['a list', { 'retry-after': '5, 6' }],
    ['a limit without an end', { 'x-ratelimit-reset': 'never' }],
  ])('is unknown after %s', (_title, headers) => {
    expect(told(headers)).toBeUndefined();
  });

  it('comes from Retry-After during an outage; x-ratelimit-reset counts only with 429', () => {
    expect(told({ 'retry-after': '17' }, 503)).toBe(17);
    expect(told({ 'x-ratelimit-reset': '17' }, 503)).toBeUndefined();
  });
});
