import { defaultSeedPath, loadSeed, parseSeed } from './load-seed.js';
import { SeedError } from './seed-error.js';
import { SeedCredentialCheck } from './seed-users.js';

const passwordHash = `scrypt$N=16384,r=8,p=1$${'A'.repeat(22)}$${'B'.repeat(43)}`;
const lines = [
  'default_directory: Users', // 1
  'connections:', // 2
  '  - name: Users', // 3
  'apis:', // 4
  '  - identifier: https://api.example/', // 5
  '    name: api', // 6
  '    scopes: [read]', // 7
  'clients:', // 8
  '  - client_id: app', // 9
  '    client_secret: a-client-secret-1', // 10
  '    grant_types: [password]', // 11
  'users:', // 12
  '  - user_id: auth0|ada', // 13
  '    email: ada@example.com', // 14
  `    password: ${passwordHash}`, // 15
  '    permissions:', // 16
  '      https://api.example/: [read]', // 17
];
const valid = lines.join('\n');

/** The seed with one line replaced (1 is the first). */
function withLine(line: number, ...replacement: string[]): string {
  return lines.toSpliced(line - 1, 1, ...replacement).join('\n');
}

function messageOf(source: string): string {
  try {
    parseSeed(source, 'my.yaml');
  } catch (error) {
    if (error instanceof SeedError) return error.message;
    throw error;
  }
  throw new Error('the seed was accepted');
}

describe('loadSeed', () => {
  it('finds the default seed, whose users have the documented passwords', async () => {
    const { directory, users } = await loadSeed();
    expect([...directory.clients].map(({ clientId }) => clientId)).toEqual(['venue-suite', 'brief']);
    expect([...directory.apis.keys()]).toEqual(['https://api.venue.example/', 'https://other.example/']);

    const check = new SeedCredentialCheck(users);
    const realm = 'Username-Password-Authentication';
    for (const [username, password, blocked] of [
      ['ada@example.com', 'analytical-engine-1843', false],
      ['grace@example.com', 'nanosecond-11.8-inches', false],
      ['mallory@example.com', 'blocked-for-good-0', true],
    ] as const) {
      expect(await check.check({ username, password, realm })).toMatchObject({ ok: true, user: { blocked } });
      expect(await check.check({ username, password: `${password} `, realm })).toEqual({ ok: false });
      expect(await check.check({ username, password, realm: 'elsewhere' })).toEqual({ ok: false });
    }
    expect(await check.check({ username: 'unknown@example.com', password: 'x', realm })).toEqual({
      ok: false,
    });
  });

  it('names the unreadable file and its setting', async () => {
    await expect(loadSeed(`${defaultSeedPath}.missing`)).rejects.toThrow(
      /seed\.yaml\.missing.*ENOENT.*IDENTITY_SEED/,
    );
  });
});

describe('parseSeed', () => {
  it('accepts a small seed and fills in the defaults', () => {
    const { directory, users } = parseSeed(valid, 'my.yaml');
    expect(directory.apis.get('https://api.example/')).toMatchObject({
      accessTokenLifetimeSeconds: 86_400,
      allowOfflineAccess: false,
      tokenForm: 'dialect',
    });
    expect(users[0]).toMatchObject({
      connection: 'Users',
      user: { userId: 'auth0|ada', blocked: false, profile: { name: 'ada@example.com', nickname: 'ada' } },
    });
  });

  it.each([
    ['text that is not YAML', withLine(7, '    scopes: [read'), /my\.yaml:\d+: /],
    [
      'a key given twice',
      withLine(6, '    name: api', '    name: again'),
      'my.yaml:7: Map keys must be unique',
    ],
    ['an unknown key', withLine(6, '    nam: api'), 'my.yaml:6: apis[0].nam: unknown key'],
    ['a missing field', withLine(6), 'my.yaml:5: apis[0].name: '],
    ['a missing part', valid.slice(0, valid.indexOf('users:')), 'my.yaml:1: users: '],
    ['a wrong type', withLine(7, '    scopes: read'), 'my.yaml:7: apis[0].scopes: '],
    [
      'a scope with a blank',
      withLine(7, '    scopes: [read it]'),
      'my.yaml:7: apis[0].scopes[0]: a scope holds no space',
    ],
    [
      'a password in the clear',
      withLine(15, '    password: hunter2'),
      'my.yaml:15: users[0].password: bad password hash',
    ],
    ['a number for a password', withLine(15, '    password: 12345678'), 'my.yaml:15: users[0].password: '],
    [
      'a short client secret',
      withLine(10, '    client_secret: short'),
      'my.yaml:10: clients[0].client_secret: ',
    ],
    [
      'an unknown grant type',
      withLine(11, '    grant_types: [implicit]'),
      'my.yaml:11: clients[0].grant_types[0]: ',
    ],
    [
      'an API that is not defined',
      withLine(17, '      https://api.example: [read]'),
      'my.yaml:17: users[0].permissions.https://api.example: API "https://api.example" is not defined',
    ],
    [
      'a scope the API does not have',
      withLine(17, '      https://api.example/: [write]'),
      'my.yaml:17: users[0].permissions.https://api.example/[0]: API "https://api.example/" has no scope "write"',
    ],
    [
      'a connection that is not defined',
      withLine(1, 'default_directory: Nowhere'),
      'my.yaml:1: default_directory: connection "Nowhere" is not defined',
    ],
    ['no connection for a user', withLine(1), 'my.yaml:12: users[0]: connection is missing'],
    [
      'a duplicate client_id',
      withLine(
        11,
        '    grant_types: [password]',
        '  - client_id: app',
        '    client_secret: a-client-secret-2',
        '    grant_types: [password]',
      ),
      'my.yaml:12: clients[1].client_id: duplicate client_id, same as clients[0]',
    ],
    [
      'a duplicate e-mail address in other case',
      `${valid}\n  - user_id: auth0|ada2\n    email: ADA@example.com\n    password: ${passwordHash}`,
      'my.yaml:19: users[1].email: duplicate email, same as users[0]',
    ],
    ['an empty file', '', 'my.yaml:1: document: '],
  ])('refuses %s with line and reason', (_, source, expected) => {
    const message = messageOf(source);
    if (typeof expected === 'string') expect(message).toContain(expected);
    else expect(message).toMatch(expected);
    expect(message).not.toContain('hunter2');
    expect(message).not.toContain('a-client-secret');
    expect(message).not.toContain('BBBB');
  });

  it('lists every problem, in the order of the file', () => {
    const message = messageOf(withLine(6, '    name: 7').replace('[password]', '[magic]'));
    expect(message.match(/my\.yaml:\d+/g)).toEqual(['my.yaml:6', 'my.yaml:11']);
  });
});
