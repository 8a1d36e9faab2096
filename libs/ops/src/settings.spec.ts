import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  defineSettings,
  environmentSetting,
  issuerUrl,
  list,
  port,
  readSettings,
  secret,
  secretList,
  SettingsError,
  text,
} from './settings.js';

const SECRET = '0123456789abcdef0123456789abcdef';
const definition = defineSettings({
  ENVIRONMENT: environmentSetting,
  PORT: { schema: port(), doc: 'port', default: '3001' },
  ISSUER: { schema: issuerUrl(), doc: 'issuer', localDefault: 'http://localhost:3002/' },
  SECRET: { schema: secret(), doc: 'secret', secret: true, localDefault: SECRET },
  NAMES: { schema: list(), doc: 'names', default: 'a, b' },
  REALM: { schema: text().optional(), doc: 'realm' },
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
    });
    expect(Object.isFrozen(settings)).toBe(true);
  });

  it('take local defaults in ENVIRONMENT=local only', () => {
    expect(readSettings(definition, { ENVIRONMENT: 'local' }).ISSUER.href).toBe('http://localhost:3002/');
    expect(problemsOf({ ENVIRONMENT: 'dev' })).toMatch(/ISSUER is missing[\s\S]*SECRET is missing/);
  });

  it('count an empty variable as unset', () => {
    expect(readSettings(definition, { ...complete, PORT: '' }).PORT).toBe(3001);
  });

  it('list every problem, one a line', () => {
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
      'a secret file that is not there',
      { SECRET: '', SECRET_FILE: '/no/such' },
      /SECRET_FILE names a file that cannot be read/,
    ],
    ['a secret and a secret file', { SECRET_FILE: '/no/such' }, /SECRET and SECRET_FILE are both set/],
  ])('refuse %s', (_title, changes, message) => {
    const problems = problemsOf({ ...complete, ...changes });
    expect(problems).toMatch(message);
    expect(problems).not.toContain('canary');
  });

  it('read a secret from a file, without the line break at its end', () => {
    const file = join(mkdtempSync(join(tmpdir(), 'settings-')), 'secret');
    writeFileSync(file, `${SECRET}\n`);
    expect(readSettings(definition, { ...complete, SECRET: '', SECRET_FILE: file }).SECRET).toBe(SECRET);
    writeFileSync(file, '');
    expect(problemsOf({ ...complete, SECRET: '', SECRET_FILE: file })).toContain(
      'SECRET_FILE names an empty file',
    );
  });

  it('allow plain http to this machine everywhere', () => {
    expect(problemsOf({ ...complete, ISSUER: 'http://127.0.0.1:3002/' })).toBe('');
  });

  it('ask as much of each secret of a list', () => {
    expect(secretList().safeParse(`${SECRET},${SECRET}`).success).toBe(true);
    expect(secretList().safeParse(`${SECRET},short`).success).toBe(false);
  });
});
