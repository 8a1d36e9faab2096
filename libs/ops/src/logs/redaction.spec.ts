import { createLogger } from '../index.js';
import { isSecretName } from './redaction.js';

const CANARY = 'canary-7f3a';

const WORDS = [
  ...[
    'authorization',
    'proxy authorization',
    'cookie',
    'set cookie',
    'password',
    'new password',
    'passwords',
  ],
  ...['secret', 'client secret', 'session secrets', 'token', 'access token', 'refresh token', 'id token'],
  ...['mfa token', 'subject token', 'x auth token', 'api key', 'private key', 'client assertion'],
  ...['code verifier', 'credentials', 'passphrase', 'password hash', 'secret key'],
];

const capital = (word: string) => word.charAt(0).toUpperCase() + word.slice(1);

const SPELLINGS: readonly [string, (words: readonly string[]) => string][] = [
  ['snake_case', (words) => words.join('_')],
  ['kebab-case', (words) => words.join('-')],
  ['camelCase', ([first, ...rest]) => first! + rest.map(capital).join('')],
  ['PascalCase', (words) => words.map(capital).join('')],
  ['Header-Case', (words) => words.map(capital).join('-')],
  ['UPPER_CASE', (words) => words.join('_').toUpperCase()],
  ['dotted.case', (words) => words.join('.')],
];

/** Places for a secret, under its name, in the fields of a line. */
const PLACES: readonly [string, (secret: Record<string, unknown>) => object][] = [
  ['at the top', (secret) => secret],
  ['in a field', (secret) => ({ a: secret })],
  ['eight levels down', (secret) => ({ a: { b: { c: { d: { e: { f: { g: secret } } } } } } })],
  ['in a list', (secret) => ({ a: [1, [secret, { b: [secret] }]] })],
  ['in an object of a class', (secret) => ({ a: Object.assign(new (class A {})(), secret) })],
  ['in the result of toJSON', (secret) => ({ a: { toJSON: () => ({ b: secret }) } })],
  ['in the result of a getter', (secret) => ({ a: { get b() { return secret; } } })], // prettier-ignore
  ['in a Map', (secret) => ({ a: new Map(Object.entries(secret)), b: new Map([['c', secret]]) })],
  ['in a Set', (secret) => ({ a: new Set([secret]) })],
  ['on an error', (secret) => ({ err: Object.assign(new Error('x'), secret, { response: secret }) })],
  ['on an error in a field', (secret) => ({ a: { b: Object.assign(new Error('x'), { config: secret }) } })],
  ['on the cause of an error', (secret) => ({ err: new Error('x', { cause: Object.assign(new Error('y'), secret) }) })], // prettier-ignore
  ['as a thrown object', (secret) => ({ err: secret, error: secret })],
  ['as an object like an error', (secret) => ({ a: { err: { message: 'x', config: secret } } })],
  ['as the only field of an object', (secret) => ({ headers: { ...secret, accept: '*/*' } })],
  ['as pairs', (secret) => ({ headers: Object.entries(secret) })],
  ['as names and values in turn', (secret) => ({ rawHeaders: ['accept', '*/*', ...Object.entries(secret).flat()] })], // prettier-ignore
  ['as named values', (secret) => ({ headers: Object.entries(secret).map(([name, value]) => ({ name, value })) })], // prettier-ignore
  ['as keyed values', (secret) => ({ headers: Object.entries(secret).map(([key, value]) => ({ key, value })) })], // prettier-ignore
  ['under a secret of another shape', (secret) => ({ token: { value: secret }, cookies: [secret] })],
  ['under __proto__', (secret) => JSON.parse(`{"a":{"__proto__":${JSON.stringify(secret)}}}`) as object],
  ['in a cycle', (secret) => { const a: Record<string, unknown> = { ...secret }; a['b'] = { a }; return { a }; }], // prettier-ignore
];

describe('a secret in a log line', () => {
  const lines: string[] = [];
  const logger = createLogger({
    service: 'test',
    environment: 'prod',
    level: 'trace',
    destination: { write: (line) => void lines.push(line) },
  });

  beforeEach(() => {
    lines.length = 0;
  });

  const names = WORDS.flatMap((words) => SPELLINGS.map(([, spell]) => spell(words.split(' '))));

  it.each(PLACES)('is removed %s, in any spelling of its name', (_title, place) => {
    for (const name of names) {
      logger.info(place({ [name]: CANARY, shown: 1 }), 'x');
      logger.info(place({ [name]: { deep: [CANARY] } }), 'x');
    }
    expect(lines.filter((line) => line.includes(CANARY))).toEqual([]);
    expect(lines).toHaveLength(2 * names.length);
    for (const line of lines) expect(JSON.parse(line)).toMatchObject({ service: 'test', msg: 'x' });
  });

  it.each(['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const)(
    'is removed at level %s',
    (level) => {
      for (const [, place] of PLACES) logger[level](place({ refresh_token: CANARY }), 'x');
      expect(lines).toHaveLength(PLACES.length);
      expect(lines.join('')).not.toContain(CANARY);
    },
  );

  it('is removed from a message', () => {
    const secret = { password: CANARY };
    logger.info('%o and %j', secret, { a: secret });
    logger.info({ b: 1 }, 'and %o', [secret]);
    logger.info('and %o', Object.assign(new Error('x'), secret));
    expect(lines).toHaveLength(3);
    expect(lines.join('')).not.toContain(CANARY);
  });

  it('is removed from the bindings of a child', () => {
    const child = logger.child({ a: { clientSecret: CANARY } }).child({ token: CANARY, part: 'b' });
    child.info({ idToken: CANARY }, 'x');
    expect(lines.join('')).not.toContain(CANARY);
    expect(JSON.parse(lines[0]!)).toMatchObject({ part: 'b', a: { clientSecret: '[redacted]' } });
  });

  it('leaves the fields around it unchanged, in their order', () => {
    const at = new Date(0);
    const fields = {
      b: 1,
      a: [null, true, 'x'],
      token: CANARY,
      at,
      c: { tokenId: 'id', d: undefined },
      e: 2n,
    };
    logger.info(fields, 'x');
    const line = lines[0]!;
    expect(line.slice(line.indexOf('"b"'))).toBe(
      '"b":1,"a":[null,true,"x"],"token":"[redacted]","at":"1970-01-01T00:00:00.000Z","c":{"tokenId":"id"},"e":"2","msg":"x"}\n',
    );
  });

  it('causes no exception, whatever the fields are', () => {
    const throws = {
      get a() {
        throw new Error('x');
      },
      b: {
        toJSON() {
          throw new Error('x');
        },
      },
    };
    const cycle: Record<string, unknown> = {};
    cycle['self'] = [cycle];
    let deep: object = {};
    for (let i = 0; i < 10_000; i += 1) deep = { deep };
    logger.info({ throws, cycle, deep, symbol: Symbol('x'), run: () => 1, bare: Object.create(null) }, 'x');
    expect(JSON.parse(lines[0]!)).toMatchObject({
      throws: { a: '[unreadable]', b: '[unreadable]' },
      cycle: { self: ['[Circular]'] },
      bare: {},
    });
  });

  it.each(['subject', 'tokenId', 'kid', 'code', 'reason', 'requestId', 'settings', 'cookieless', 'clients'])(
    'is not what %s names',
    (name) => {
      expect(isSecretName(name)).toBe(false);
    },
  );
});
