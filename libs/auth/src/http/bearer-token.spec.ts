import fc from 'fast-check';
import { readBearerToken } from './bearer-token.js';

const read = (...authorization: string[]) =>
  readBearerToken({
    rawHeaders: authorization.flatMap((value) => ['Authorization', value]),
    headers: {},
  });

describe('readBearerToken', () => {
  it('yields only a token of the grammar, whatever the header holds', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map((text) => `Bearer ${text}`),
        ),
        (header) => {
          const token = read(header);
          if (typeof token === 'string') {
            expect(header).toMatch(/^Bearer +[A-Za-z0-9\-._~+/]+=*$/i);
            expect(header.endsWith(token)).toBe(true);
          }
        },
      ),
      { numRuns: 5_000 },
    );
  });

  it('yields no token when there are two headers, in whatever case their names are', () => {
    const rawHeaders = [
      'authorization',
      'Bearer token-0123456789abcdef',
      'AUTHORIZATION',
      'Bearer token-0123456789abcdef',
    ];
    expect(readBearerToken({ rawHeaders, headers: {} })).toMatchObject({ error: 'invalid_request' });
  });

  it.each(['refresh:v1:x', 'session:v1:abc', '*', '__proto__', 'tok:v1:abc', '\r\nGET x', '삃'])(
    'yields no token for %p',
    (token) => {
      expect(read(`Bearer ${token}`)).toMatchObject({ allowed: false });
    },
  );

  it.each([
    undefined,
    'application/json',
    'multipart/form-data; boundary=b',
    'text/plain',
    'application/x-www-form-urlencoded2',
    'application/x-www-form-urlencoded-like',
  ])('does not look at a body that can hold no second token: %s', (type) => {
    const request = {
      rawHeaders: ['Authorization', 'Bearer token-0123456789abcdef'],
      headers: { 'content-type': type },
      get body(): unknown {
        throw new Error('looked at');
      },
    };
    expect(readBearerToken(request)).toBe('token-0123456789abcdef');
  });

  it('treats an unreadable form as a form without a token', () => {
    const request = {
      rawHeaders: ['Authorization', 'Bearer token-0123456789abcdef'],
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      get body(): unknown {
        throw new Error('too large');
      },
    };
    expect(readBearerToken(request)).toBe('token-0123456789abcdef');
  });
});
