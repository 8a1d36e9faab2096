import { Logger } from '@nestjs/common';
import type { Principal } from '@app/contract';
import { UserTokenClient } from '@app/user-token-client';
import { resolveAuthOptions, type AuthCacheOptions } from './auth.options.js';

const URLS = 'tcp://127.0.0.1:1';
const SECRET = 'a-secret-of-32-characters-or-more';

describe('an option of AuthModule', () => {
  it.each<[string, Partial<AuthCacheOptions>, string]>([
    [
      'that is NaN',
      { ttlSeconds: NaN },
      'AuthModule: cache.ttlSeconds must be a number from 1 to 86400 (seconds), not NaN',
    ],
    ['that is negative', { ttlSeconds: -1 }, 'cache.ttlSeconds must be a number from 1'],
    ['that is infinite', { ttlSeconds: Infinity }, 'not Infinity'],
    ['in milliseconds where seconds are meant', { ttlSeconds: 300_000 }, 'to 86400 (seconds), not 300000'],
    [
      'that is a text',
      { maxBytes: '50MB' as never },
      'cache.maxBytes must be a number from 0 to 17179869184 (bytes), not 50MB',
    ],
    ['below zero bytes', { maxBytes: -1 }, 'cache.maxBytes'],
    [
      'that remembers refusals for hours',
      { refusalTtlMs: 3_600_000 },
      'cache.refusalTtlMs must be a number from 0 to 60000 (milliseconds)',
    ],
    [
      'that remembers no refusal',
      { maxRefusals: 0 },
      'cache.maxRefusals must be a number from 1 to 10000000 (refusals), not 0',
    ],
  ])('%s is refused by name', (_title, cache, message) => {
    const options = {
      audience: 'https://api.test/',
      userToken: { urls: URLS },
      cache: { secret: SECRET, ...cache },
    };
    expect(() => resolveAuthOptions(options)).toThrow(message);
  });

  it.each([NaN, 0, -1, 600_001, '5s' as never])('%p is refused as a deadline', (value) => {
    expect(() => new UserTokenClient({ urls: URLS, verifyTimeoutMs: value })).toThrow(
      'verifyTimeoutMs must be a number from 1 to 600000 (milliseconds)',
    );
    expect(() => new UserTokenClient({ urls: URLS, sessionTimeoutMs: value })).toThrow(
      'sessionTimeoutMs must be',
    );
  });

  it.each([[undefined as never], [[]], [''], [['https://api.test/', '']], [[undefined as never]]])(
    '%j is refused as audience',
    (audience) => {
      expect(() => resolveAuthOptions({ audience, userToken: { urls: URLS } })).toThrow(
        'AuthModule: audience must name',
      );
    },
  );
});

describe('the log of refusals, where no other is given', () => {
  const { refusalLog } = resolveAuthOptions({
    audience: 'https://api.test/',
    userToken: { urls: URLS },
  });

  afterEach(() => Logger.overrideLogger(true));

  it('makes only lines that the logger of Nest would show', () => {
    const token = {
      get issuer(): string {
        throw new Error('a line was made');
      },
    } as Principal;
    Logger.overrideLogger(['error']);
    refusalLog.refused('expired', undefined);
    refusalLog.refused('expired', token);
    Logger.overrideLogger(['error', 'debug']);
    expect(() => refusalLog.refused('expired', token)).toThrow('a line was made');
  });
});
