import { mkdirSync, mkdtempSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PUBLISHED_SECRETS } from './published-secrets.js';
import {
  defineSettings,
  environmentSetting,
  host,
  issuerUrl,
  list,
  port,
  readSettings,
  scope,
  secret,
  secretList,
  SettingsError,
  text,
  visibleAscii,
  warnOfUnread,
} from './settings.js';

const SECRET = '0123456789abcdef0123456789abcdef';
const definition = defineSettings({
  ENVIRONMENT: environmentSetting,
  PORT: { schema: port(), doc: 'port', default: '3001' },
  ISSUER: { schema: issuerUrl(), doc: 'issuer', localDefault: 'http://localhost:3002/' },
  SECRET: { schema: secret(), doc: 'secret', secret: true, localDefault: SECRET },
  NAMES: { schema: list(), doc: 'names', default: 'a, b' },
  REALM: { schema: text().optional(), doc: 'realm' },
  PROXY: { schema: text().optional(), doc: 'proxy', aliases: ['proxy'] },
});
const complete = { ENVIRONMENT: 'prod', ISSUER: 'https://acme.auth0.com/', SECRET };

function problemsOf(environment: Record<string, string>): string {
  try {
    readSettings(definition, environment);
  } catch (error) {
    if (error instanceof SettingsError) return error.message;
    throw error;
  }
  return '';
}

describe('settings', () => {
  it('are typed, frozen values', () => {
    const settings = readSettings(definition, complete);
    expect(settings).toEqual({
      ENVIRONMENT: 'prod',
      PORT: 3001,
      ISSUER: new URL('https://acme.auth0.com/'),
      SECRET,
      NAMES: ['a', 'b'],
      REALM: undefined,
      PROXY: undefined,
    });
    expect(Object.isFrozen(settings)).toBe(true);
  });

  it('use their other name first, if they have one', () => {
    const proxyOf = (given: Record<string, string>) =>
      readSettings(definition, { ...complete, ...given }).PROXY;
    expect(proxyOf({ proxy: 'p:1', PROXY: 'p:2' })).toBe('p:1');
    expect(proxyOf({ proxy: '', PROXY: 'p:2' })).toBe('p:2');
    expect(proxyOf({ proxy: 'p:1' })).toBe('p:1');
  });

  it('take local defaults in ENVIRONMENT=local only', () => {
    expect(readSettings(definition, { ENVIRONMENT: 'local' }).ISSUER.href).toBe('http://localhost:3002/');
    expect(problemsOf({ ENVIRONMENT: 'dev' })).toMatch(/ISSUER is missing[\s\S]*SECRET is missing/);
  });

  it('take LOCAL_NAME in place of a local default, and only there', () => {
    const local = { LOCAL_ISSUER: 'http://identity:3002/', LOCAL_PORT: '1' };
    const settings = readSettings(definition, { ENVIRONMENT: 'local', ...local });
    expect(settings).toMatchObject({ ISSUER: new URL('http://identity:3002/'), PORT: 3001 });
    const given = { ENVIRONMENT: 'local', ISSUER: 'http://other:1/', ...local };
    expect(readSettings(definition, given).ISSUER.href).toBe('http://other:1/');
    expect(problemsOf({ ENVIRONMENT: 'dev', ...local })).toContain('ISSUER is missing');
  });

  it('count an empty variable as unset', () => {
    expect(readSettings(definition, { ...complete, PORT: '' }).PORT).toBe(3001);
  });

  it('list each problem in its own line', () => {
    expect(problemsOf({ ENVIRONMENT: 'dev', PORT: 'x' }).split('\n')).toHaveLength(4);
  });

  it.each([
    ['a name with a capital', { ENVIRONMENT: 'Prod' }, /ENVIRONMENT must be a name/],
    ['no name at all', { ENVIRONMENT: '' }, /ENVIRONMENT is missing/],
    ['a port that is text', { PORT: '80a' }, /PORT must be a whole number from 0 to 65535 \(is "80a"\)/],
    ['a port beyond the last', { PORT: '65536' }, /PORT must be/],
    [
      'an issuer without its slash',
      { ISSUER: 'https://acme.auth0.com' },
      /ISSUER must be an https URL that ends in/,
    ],
    ['an issuer with a query', { ISSUER: 'https://acme.auth0.com/?a=/' }, /ISSUER must be/],
    ['an issuer with credentials', { ISSUER: 'https://u:p@acme.auth0.com/' }, /ISSUER must be/],
    ['a plain http issuer', { ISSUER: 'http://acme.auth0.com/' }, /ISSUER must be an https URL outside/],
    ['a list of nothing', { NAMES: ' , ' }, /NAMES must be/],
    ['a short secret', { SECRET: 'canary' }, /SECRET must have at least 32 characters/],
    [
      'an absent secret file',
      { SECRET: '', SECRET_FILE: '/no/such' },
      /SECRET_FILE names a file that cannot be read: there is none \(\/no\/such\)/,
    ],
    ['a secret and a secret file', { SECRET_FILE: '/no/such' }, /SECRET and SECRET_FILE are both set/],
  ])('refuse %s', (_title, changes, message) => {
    const problems = problemsOf({ ...complete, ...changes });
    expect(problems).toMatch(message);
    expect(problems).not.toContain('canary');
  });

  it.each([
    ['a line break', `${SECRET}\n`],
    ['two', `${SECRET}\n\n`],
    ['one of Windows', `${SECRET}\r\n`],
    ['a carriage return alone', `${SECRET}\r`],
    ['a byte order mark before it', `\ufeff${SECRET}`],
    ['a byte order mark and a line break', `\ufeff${SECRET}\r\n\n`],
  ])('lose %s, from the environment and from a file', (_title, content) => {
    expect(readSettings(definition, { ...complete, SECRET: content }).SECRET).toBe(SECRET);
    const SECRET_FILE = fileWith(content);
    expect(readSettings(definition, { ...complete, SECRET: '', SECRET_FILE }).SECRET).toBe(SECRET);
  });

  it('apply the same to every setting', () => {
    const ended = Object.fromEntries(
      Object.entries({ ...complete, PORT: '80', NAMES: 'a,b', REALM: 'r' }).map(([name, value]) => [
        name,
        `${value}\r\n`,
      ]),
    );
    expect(readSettings(definition, ended)).toMatchObject({
      PORT: 80,
      NAMES: ['a', 'b'],
      REALM: 'r',
      SECRET,
    });
    expect(readSettings(definition, { ENVIRONMENT: 'local\r' }).SECRET).toBe(SECRET);
  });

  it.each([
    ['double quotes', `"${SECRET}"`, /has quotes around its value/],
    ['single quotes', `'${SECRET}'`, /has quotes around its value/],
    ['quotes of a word processor', `\u201c${SECRET}\u201d`, /has quotes around its value/],
    ['nothing but quotes', '""', /has quotes around its value/],
    ['a blank before it', ` ${SECRET}`, /begins or ends with a blank/],
    ['a blank after it', `${SECRET} `, /begins or ends with a blank/],
    ['a blank that does not break', `${SECRET}\u00a0`, /begins or ends with a blank/],
    ['a blank without width', `${SECRET}\u200b`, /cannot belong there: U\+200B .*, after 32 others/],
    ['a tab', `${SECRET}\t`, /cannot belong there: U\+0009/],
    [
      'a line break within',
      `canary\n${SECRET}`,
      /cannot belong there: U\+000A \(a line break\), after 6 others/,
    ],
    ['a carriage return within', `canary\r${SECRET}`, /cannot belong there: U\+000D/],
    ['a change of direction', `canary\u202e${SECRET}`, /cannot belong there: U\+202E/],
    ['bytes that are not UTF-8', `canary\ufffd${SECRET}`, /not UTF-8/],
  ])('with %s are refused by name, from the environment and from a file', (_title, value, message) => {
    for (const [name, changes] of [
      ['SECRET', { SECRET: value }],
      ['SECRET_FILE', { SECRET: '', SECRET_FILE: fileWith(value) }],
    ] as const) {
      const problems = problemsOf({ ...complete, ...changes });
      expect(problems).toMatch(message);
      expect(problems).toMatch(new RegExp(`^  ${name} `, 'm'));
      expect(problems).not.toMatch(/canary|0123456789abcdef/);
    }
  });

  it.each([
    ['quotes', '"80"', /PORT has quotes[^]*REALM has quotes/],
    ['a line break within', '8\n0', /PORT holds a character[^]*REALM holds a character/],
    ['an invisible character', '8\u200b0', /PORT holds a character[^]*REALM holds a character/],
  ])('that are not secret are refused with %s as well', (_title, value, message) => {
    expect(problemsOf({ ...complete, PORT: value, REALM: value })).toMatch(message);
  });

  it('lose blanks around them unless they are secrets', () => {
    const settings = readSettings(definition, { ...complete, PORT: ' 80\t', REALM: '\u00a0r \r\n' });
    expect(settings).toMatchObject({ PORT: 80, REALM: 'r' });
  });

  it.each<[string, () => string, RegExp]>([
    ['is empty', () => fileWith(''), /names an empty file/],
    ['holds a line break only', () => fileWith('\r\n'), /names an empty file/],
    ['is a folder', () => tmpdir(), /names a folder, not a file/],
    ['is a device', () => '/dev/zero', /names a device, not a file/],
    ['is a link to nothing', () => linkTo('/no/such/file'), /cannot be read: there is none/],
    ['is below a file', () => join(fileWith('x'), 'secret'), /cannot be read: there is none/],
    [
      'is UTF-16 of Windows',
      () => fileWith(Buffer.from(`\ufeff${SECRET}`, 'utf16le')),
      /not UTF-8 but UTF-16/,
    ],
    ['is UTF-16 without a mark', () => fileWith(Buffer.from(SECRET, 'utf16le')), /U\+0000 \(is it UTF-16/],
    [
      'is latin1',
      () => fileWith(Buffer.from(`${SECRET}\u00e4`, 'latin1')),
      /names a file that is not UTF-8: save/,
    ],
    ['is larger than any secret', () => largeFile(), /names a file of more than/],
    ['is the secret itself', () => 'canary-canary-canary', /there is none \(no absolute path\)/],
  ])('refuse a secret file that %s', (_title, file, message) => {
    const problems = problemsOf({ ...complete, SECRET: '', SECRET_FILE: file() });
    expect(problems).toMatch(/SECRET_FILE /);
    expect(problems).toMatch(message);
    expect(problems).not.toMatch(/canary|0123456789abcdef/);
  });

  it('follow a link to a secret file, as in Kubernetes', () => {
    const SECRET_FILE = linkTo(fileWith(`${SECRET}\n`));
    expect(readSettings(definition, { ...complete, SECRET: '', SECRET_FILE }).SECRET).toBe(SECRET);
  });

  it('keep line breaks where they belong, and reject other control characters', () => {
    const pem = defineSettings({ PEM: { schema: text(), doc: 'pem', multiline: true } });
    expect(readSettings(pem, { PEM: '\na\r\nb\n\n' }).PEM).toBe('a\r\nb');
    expect(() => readSettings(pem, { PEM: 'a\0b' })).toThrow('U+0000');
    expect(() => readSettings(pem, { PEM: '"a\nb"' })).toThrow('quotes');
  });

  it('refuse elsewhere a value published for local work, alone or in a list', () => {
    const published = 'published-published-published-000';
    const own = defineSettings({
      ENVIRONMENT: environmentSetting,
      SECRETS: { schema: secretList(), doc: 'secrets', secret: true, localOnly: [published] },
    });
    for (const SECRETS of [published, `${SECRET}, ${published}`, `${published}\n`]) {
      expect(readSettings(own, { ENVIRONMENT: 'local', SECRETS }).SECRETS).toContain(published);
      expect(() => readSettings(own, { ENVIRONMENT: 'prod', SECRETS })).toThrow(
        'SECRETS is one for local work',
      );
    }
    expect(readSettings(own, { ENVIRONMENT: 'prod', SECRETS: SECRET }).SECRETS).toEqual([SECRET]);
  });

  it('refuse elsewhere a secret published under another name', () => {
    const own = defineSettings({
      ENVIRONMENT: environmentSetting,
      SECRETS: { schema: secretList(), doc: 'secrets', secret: true },
    });
    for (const published of Object.values(PUBLISHED_SECRETS).filter(({ length }) => length >= 32)) {
      expect(() => readSettings(own, { ENVIRONMENT: 'prod', SECRETS: `${SECRET},${published}` })).toThrow(
        'SECRETS is one for local work',
      );
    }
  });

  it('take LOCAL_NAME for the local default of a deployment, locally only', () => {
    const LOCAL_ISSUER = 'http://identity:3002/';
    expect(readSettings(definition, { ENVIRONMENT: 'local', LOCAL_ISSUER }).ISSUER.href).toBe(LOCAL_ISSUER);
    expect(
      readSettings(definition, { ENVIRONMENT: 'local', LOCAL_ISSUER, ISSUER: 'http://own/' }).ISSUER.href,
    ).toBe('http://own/');
    expect(problemsOf({ ...complete, ISSUER: '', LOCAL_ISSUER })).toMatch(/ISSUER is missing/);
  });

  it('do not show the password of a URL', () => {
    expect(problemsOf({ ...complete, ISSUER: 'https://u:canary@acme.auth0.com/' })).not.toContain('canary');
  });

  it('allow plain http to this machine everywhere', () => {
    expect(problemsOf({ ...complete, ISSUER: 'http://127.0.0.1:3002/' })).toBe('');
  });

  it('require the same of each secret of a list', () => {
    expect(secretList().safeParse(`${SECRET},${SECRET}`).success).toBe(true);
    expect(secretList().safeParse(`${SECRET},short`).success).toBe(false);
  });

  it.each([
    ['0.0.0.0', '0.0.0.0'],
    ['*', expect.stringMatching(/^(::|0\.0\.0\.0)$/)],
    ['::', '::'],
    ['[::]', '::'],
    ['[::1]', '::1'],
    ['fe80::1%eth0', 'fe80::1%eth0'],
    ['localhost', 'localhost'],
    ['user-token_1.internal', 'user-token_1.internal'],
  ])('accept %s as a host', (given, expected) => {
    expect(host().parse(given)).toEqual(expected);
  });

  it.each([
    'http://localhost',
    'localhost:80',
    '127.0.0.1:80',
    '[::1]:80',
    '3000',
    '1.2.3',
    '256.1.1.1',
    '**',
    '-a',
  ])('refuse %s as a host', (given) => {
    expect(host().safeParse(given).success).toBe(false);
  });

  it('accept the characters of RFC 6749 in clients and scopes', () => {
    expect(visibleAscii().safeParse(`a b~"\\'`).success).toBe(true);
    expect(visibleAscii().safeParse('schlüssel').success).toBe(false);
    expect(scope().safeParse('openid read:venues').success).toBe(true);
    for (const wrong of ['openid  read', 'a"b', 'a\\b', 'ä'])
      expect(scope().safeParse(wrong).success).toBe(false);
  });
});

describe('a variable that is not read', () => {
  const told = (environment: Record<string, string>) => {
    const lines: unknown[] = [];
    warnOfUnread(definition, environment, { warn: (fields) => lines.push(fields) });
    return lines;
  };

  it.each([
    ['ENVIROMENT', 'ENVIRONMENT'],
    ['ENVIRONNEMENT', 'ENVIRONMENT'],
    ['environment', 'ENVIRONMENT'],
    ['\ufeffENVIRONMENT', 'ENVIRONMENT'],
    ['Port', 'PORT'],
    ['SECRETFILE', 'SECRET_FILE'],
    ['REALM_FILE', 'REALM'],
  ])('is named: %s', (variable, meant) => {
    expect(told({ [variable]: 'canary' })).toEqual([{ variable: expect.stringMatching(/\w+/), meant }]);
  });

  it('is not the other name of a setting', () => {
    expect(told({ proxy: 'p:1' })).toEqual([]);
    expect(told({ Proxy: 'p:1' })).toHaveLength(1);
  });

  it('is neither a variable of other programs nor an empty one, and at most ten are named', () => {
    const usual =
      'PATH HOME HOSTNAME LOGNAME TERM PWD SHLVL LANG TZ NODE_ENV NODE_OPTIONS SPORT POST PORTS HOSTS _ npm_config_port REDIS_PORT REDIS_SERVICE_HOST SECRETS_DIR REALMS NAME';
    expect(told(Object.fromEntries(usual.split(' ').map((name) => [name, 'x'])))).toEqual([]);
    expect(told({ ENVIROMENT: '' })).toEqual([]);
    const many = Array.from({ length: 100 }, (_, i) => [`ENVIRONMENT${i}`, 'x']);
    expect(told(Object.fromEntries(many))).toHaveLength(10);
  });

  it('is named beside a missing one', () => {
    expect(problemsOf({ ENVIROMENT: 'prod', ISSUER: 'https://acme.auth0.com/', SECRET })).toMatch(
      /ENVIRONMENT is missing[^]*ENVIROMENT is set and not read: is ENVIRONMENT meant\?/,
    );
  });
});

function fileWith(content: string | Buffer): string {
  const file = join(mkdtempSync(join(tmpdir(), 'settings-')), 'secret');
  writeFileSync(file, content);
  return file;
}

function largeFile(): string {
  const file = fileWith('');
  truncateSync(file, 10 * 1024 * 1024);
  return file;
}

function linkTo(target: string): string {
  const folder = join(mkdtempSync(join(tmpdir(), 'settings-')), '..data');
  mkdirSync(folder);
  const link = join(folder, 'secret');
  symlinkSync(target, link);
  return link;
}
