import type { Refusal } from '../../../core/refusal.js';
import { errorWords } from './error-words.js';

describe("Auth0's words for an error", () => {
  it.each<[string, Refusal, number, string, string]>([
    [
      'a tenant without a default connection',
      { reason: 'default_realm_missing' },
      500,
      'server_error',
      'Authorization server not configured with default connection.',
    ],
    [
      'an audience that no error description may hold',
      { reason: 'audience_unknown', audience: 'https://x"\\é/' },
      403,
      'access_denied',
      'Service not enabled within domain: https://x???/',
    ],
    [
      'an audience that is far too long',
      { reason: 'audience_unknown', audience: 'x'.repeat(10_000) },
      403,
      'access_denied',
      `Service not enabled within domain: ${'x'.repeat(200)}`,
    ],
  ])('of %s', (_title, refusal, status, error, description) => {
    expect(errorWords(refusal)).toEqual({ status, body: { error, error_description: description } });
  });
});
