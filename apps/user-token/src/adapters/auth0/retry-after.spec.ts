import { retryAfterSeconds } from './retry-after.js';

const NOW_MS = Date.parse('2026-03-01T12:00:00Z');
const NOW_UNIX = NOW_MS / 1000;

const told = (headers: Record<string, string>, status = 429) =>
  retryAfterSeconds(new Response(null, { status, headers }), NOW_MS);

describe('when a server wants to be asked again', () => {
  it.each<[string, Record<string, string>, number]>([
    ['in seconds', { 'retry-after': '17' }, 17],
    ['in seconds, with blanks', { 'retry-after': ' 17 ' }, 17],
    ['in a fraction of a second', { 'retry-after': '0.2' }, 1],
    ['at once', { 'retry-after': '0' }, 1],
    ['in a day', { 'retry-after': '86400' }, 300],
    ['never again', { 'retry-after': '9'.repeat(400) }, 300],
    ['at a date', { 'retry-after': 'Sun, 01 Mar 2026 12:00:42 GMT' }, 42],
    ['at a date as RFC 850 has it', { 'retry-after': 'Sunday, 01-Mar-26 12:00:42 GMT' }, 42],
    ["at a date as C's asctime has it", { 'retry-after': 'Sun Mar  1 12:00:42 2026' }, 42],
    ['at a date that is past', { 'retry-after': 'Sun, 01 Mar 2026 11:00:00 GMT' }, 1],
    [
      'at a date by its own clock',
      { 'retry-after': 'Sun, 01 Mar 2026 13:00:42 GMT', date: 'Sun, 01 Mar 2026 13:00:00 GMT' },
      42,
    ],
    ["when Auth0's limit ends", { 'x-ratelimit-reset': String(NOW_UNIX + 30) }, 30],
    [
      "when Auth0's limit ends by its own clock",
      { 'x-ratelimit-reset': String(NOW_UNIX + 3_630), date: 'Sun, 01 Mar 2026 13:00:00 GMT' },
      30,
    ],
    ['when a limit has ended', { 'x-ratelimit-reset': String(NOW_UNIX - 30) }, 1],
    ['when a limit ends in an hour', { 'x-ratelimit-reset': String(NOW_UNIX + 3_600) }, 300],
    ['after seconds of a limit', { 'x-ratelimit-reset': '30' }, 30],
    ['by both, which differ', { 'retry-after': '5', 'x-ratelimit-reset': String(NOW_UNIX + 60) }, 5],
    ['by a limit and nonsense', { 'retry-after': 'soon', 'x-ratelimit-reset': '30' }, 30],
  ])('is known: %s', (_title, headers, seconds) => {
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
  ])('is not, where it says %s', (_title, headers) => {
    expect(told(headers)).toBeUndefined();
  });

  it('is what Retry-After says of an outage; a limit that was not passed says nothing of it', () => {
    expect(told({ 'retry-after': '17' }, 503)).toBe(17);
    expect(told({ 'x-ratelimit-reset': '17' }, 503)).toBeUndefined();
  });
});
