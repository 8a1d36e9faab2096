import { jest } from '@jest/globals';
import { RefusalLog } from './refusal-log.js';
import { tokenFacts } from './token-facts.js';

const jwt = (header: object, payload: object) =>
  [header, payload, 'signature'].map((part) => encoded(JSON.stringify(part))).join('.');
const encoded = (text: string) => Buffer.from(text).toString('base64url');

const TOKEN = jwt(
  { alg: 'RS256', kid: 'k1' },
  {
    iss: 'https://issuer.test/',
    aud: ['https://api.test/', 'https://issuer.test/userinfo'],
    sub: 'auth0|ada',
  },
);
const FACTS = {
  alg: 'RS256',
  kid: 'k1',
  issuer: 'https://issuer.test/',
  audience: 'https://api.test/, https://issuer.test/userinfo',
};

describe('what a log may show of a token', () => {
  it('is its origin, and not its user', () => {
    expect(tokenFacts(TOKEN)).toEqual(FACTS);
  });

  it.each<[string, string, object]>([
    ['nothing of an opaque one', 'opaque-token-0001', {}],
    ['nothing of an encrypted one', 'a.b.c.d.e', {}],
    ['nothing of one that is no JSON', `${encoded('{')}.${encoded('[')}.x`, {}],
    ['nothing of null', `${encoded('null')}.${encoded('null')}.x`, {}],
    ['what is there', jwt({ alg: 'none' }, {}), { alg: 'none' }],
    [
      'the types of values that are no text',
      jwt({ alg: 7, kid: null }, { iss: ['a', {}], aud: { 0: 'x' } }),
      { alg: '<number>', kid: '<object>', issuer: 'a, <object>', audience: '<object>' },
    ],
    ['what can be printed', jwt({ kid: 'a\n\u001b[31m\u202eb"é' }, {}), { kid: 'a??[31m?b"?' }],
  ])('is %s', (_title, token, facts) => {
    expect(tokenFacts(token)).toEqual(facts);
  });

  it('is never long', () => {
    const long = 'x'.repeat(10_000);
    const facts = tokenFacts(jwt({ alg: long, kid: long }, { iss: long, aud: Array(1_000).fill(long) }));
    expect(JSON.stringify(facts).length).toBeLessThan(700);
  });
});

describe('the log of refusals', () => {
  let lines: { level: string; fields: any; message: string }[];
  let refusals: RefusalLog;
  const logOf = (level: 'debug' | 'info') => ({
    debug: (fields: object, message: string) => void lines.push({ level: 'debug', fields, message }),
    info: (fields: object, message: string) => void lines.push({ level: 'info', fields, message }),
    isLevelEnabled: () => level === 'debug',
  });
  const at = (level: string) => lines.filter((line) => line.level === level);

  beforeEach(() => {
    jest.useFakeTimers();
    lines = [];
    refusals = new RefusalLog(logOf('debug'));
  });
  afterEach(() => jest.useRealTimers());

  it('reports the first of each reason at once, and never the token', () => {
    refusals.refused('expired', TOKEN, { requestId: 'r1' });
    refusals.refused('invalid', TOKEN, { detail: 'its signature does not verify' });
    expect(at('info')).toEqual([
      {
        level: 'info',
        fields: { reason: 'expired', ...FACTS, requestId: 'r1' },
        message: 'an access token was refused: expired',
      },
      {
        level: 'info',
        fields: { reason: 'invalid', detail: 'its signature does not verify', ...FACTS },
        message: 'an access token was refused: invalid',
      },
    ]);
    expect(JSON.stringify(lines)).not.toContain(TOKEN.split('.')[2]);
  });

  it('counts the others, and reports their number once a minute', () => {
    for (let i = 0; i < 1_000; i += 1) refusals.refused('expired', TOKEN);
    expect(at('info')).toHaveLength(1);
    jest.advanceTimersByTime(60_000);
    expect(at('info')[1]).toMatchObject({ fields: { reason: 'expired', refused: 999 } });
    for (let minute = 0; minute < 5; minute += 1) {
      refusals.refused('expired', TOKEN);
      refusals.refused('expired', TOKEN);
      jest.advanceTimersByTime(60_000);
    }
    expect(
      at('info')
        .slice(2)
        .map(({ fields }) => fields.refused),
    ).toEqual([2, 2, 2, 2, 2]);
    jest.advanceTimersByTime(600_000);
    expect(at('info')).toHaveLength(7);
    refusals.refused('expired', TOKEN, { requestId: 'r2' });
    expect(at('info')[7]).toMatchObject({ fields: { requestId: 'r2' } });
  });

  it('has a line for each refusal at debug', () => {
    for (const requestId of ['r1', 'r2', 'r3']) refusals.refused('revoked', TOKEN, { requestId });
    expect(lines.map(({ level }) => level)).toEqual(['info', 'debug', 'debug']);
    expect(lines.map(({ fields }) => fields)).toEqual(
      ['r1', 'r2', 'r3'].map((requestId) => ({ reason: 'revoked', ...FACTS, requestId })),
    );
  });

  it('makes only lines that are shown', () => {
    refusals = new RefusalLog(logOf('info'));
    for (let i = 0; i < 3; i += 1) refusals.refused('revoked', TOKEN);
    expect(at('debug')).toEqual([]);
  });

  it('names the user of a token that is no longer available', () => {
    const principal = {
      subject: 'auth0|ada',
      scopes: [],
      permissions: [],
      issuer: 'https://issuer.test/',
      audience: ['https://other.test/'],
      issuedAtSeconds: 1,
      expiresAtSeconds: 2,
      claims: {},
    };
    refusals.refused('wrong_audience', principal);
    expect(at('info')[0]!.fields).toEqual({
      reason: 'wrong_audience',
      issuer: 'https://issuer.test/',
      audience: 'https://other.test/',
    });
  });
});
