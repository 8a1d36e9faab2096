import { ScriptedIssuer } from '@app/test-support/issuer/scripted-issuer';
import { rawRequest } from '@app/test-support/network/raw-http';
import { Suite } from '@app/test-support/suite/suite';

const wrong = {
  status: 403,
  body: { error: 'invalid_grant', error_description: 'Wrong email or password.' },
};
const PORTAL = `Basic ${Buffer.from('portal:portal-secret-for-local-use').toString('base64')}`;
const LIMIT = 3;

describe('the input of a log-in', () => {
  let issuer: ScriptedIssuer;
  let suite: Suite;

  beforeAll(async () => {
    issuer = await ScriptedIssuer.start();
    suite = await Suite.open({
      AUTH0_ISSUER_URL: issuer.issuer,
      TRUSTED_PROXY_HOPS: '1',
      LOGIN_ATTEMPTS_PER_ACCOUNT: String(LIMIT),
      LOGIN_ATTEMPTS_PER_ADDRESS: String(LIMIT),
    });
  });

  afterAll(async () => {
    await suite.close();
    await issuer.stop();
  });

  beforeEach(() => {
    issuer.asked.length = 0;
    issuer.askedHeaders.length = 0;
    issuer.answers(wrong);
  });

  let users = 0;
  const someone = () => `user-${(users += 1)}@example.com`;
  let addresses = 0;
  const somewhere = () => `192.0.2.${(addresses += 1)}`;

  const login = (body: string | Buffer, from = somewhere(), type = 'application/json') =>
    rawRequest(`${suite.gatewayUrl}/auth/login`, {
      method: 'POST',
      headers: ['Content-Type', type, 'X-Forwarded-For', from],
      body,
    });
  const guess = (from: string, username = someone()) =>
    login(JSON.stringify({ username, password: 'guess' }), from);
  const grant = (form: string | Buffer, from = somewhere()) =>
    rawRequest(`${suite.gatewayUrl}/oauth2/token`, {
      method: 'POST',
      headers: [
        'Content-Type',
        'application/x-www-form-urlencoded',
        'Authorization',
        PORTAL,
        'X-Forwarded-For',
        from,
      ],
      body: form,
    });

  describe('must be text', () => {
    const latin1 = (text: string) => Buffer.from(text, 'latin1');

    it.each<[string, (username: string) => string | Buffer]>([
      ['a password in latin1', (username) => latin1(`{"username":"${username}","password":"geh\xe4use"}`)],
      ['a user name in latin1', (username) => latin1(`{"username":"\xe4${username}","password":"p"}`)],
      ['an escaped half of a pair', (username) => `{"username":"${username}","password":"p\\ud800"}`],
      ['an escaped half in the user name', (username) => `{"username":"${username}\\udc00","password":"p"}`],
      ['a raw half', (username) => latin1(`{"username":"${username}","password":"\xed\xa0\x80"}`)],
      ['a half in an unknown field', (username) => `{"username":"${username}","password":"p","x":"\\ud800"}`],
    ])('at /auth/login: %s is neither forwarded nor counted', async (_title, body) => {
      const username = someone();
      const from = somewhere();
      for (let i = 0; i <= LIMIT; i += 1) expect((await login(body(username), from)).status).toBe(400);
      expect(issuer.asked).toHaveLength(0);
      expect((await guess(from, username)).status).toBe(401);
    });

    it.each<[string, (username: string) => string | Buffer]>([
      ['a password in latin1', (username) => latin1(`username=${username}&password=geh\xe4use`)],
      ['a percent-encoded one', (username) => `username=${username}&password=geh%E4use`],
      ['a percent-encoded half of a pair', (username) => `username=${username}&password=%ED%A0%80`],
      ['half a character', (username) => `username=${username}&password=%E2%82`],
      ['an overlong spelling', (username) => `username=${username}&password=%C0%80`],
    ])('at /oauth2/token: %s is neither forwarded nor counted', async (_title, form) => {
      const username = someone();
      const from = somewhere();
      for (let i = 0; i <= LIMIT; i += 1) {
        const body = form(username);
        const whole = Buffer.concat([Buffer.from('grant_type=password&'), Buffer.from(body)]);
        expect((await grant(whole, from)).status).toBe(400);
      }
      expect(issuer.asked).toHaveLength(0);
      const known = new URLSearchParams({ grant_type: 'password', username, password: 'p' }).toString();
      expect((await grant(known, from)).status).toBe(401);
    });

    it.each([
      ['an umlaut', 'gehäuse'],
      ['an emoji', 'p🙂'],
      ['a zero', 'p\0q'],
      ['the replacement character', 'p\ufffd'],
    ])('and %s is passed on unchanged', async (_title, password) => {
      const username = someone();
      await login(JSON.stringify({ username, password }));
      await login(`{"username":"${username}","password":"${escaped(password)}"}`);
      await grant(new URLSearchParams({ grant_type: 'password', username, password }).toString());
      expect(issuer.asked.map((form) => form.get('password'))).toEqual([password, password, password]);
    });
  });

  describe('in another type', () => {
    it.each(['application/x-www-form-urlencoded', 'text/plain', 'multipart/form-data; boundary=b'])(
      'gets the expected type as its answer: %s',
      async (type) => {
        const answer = await login('{"username":"a","password":"b"}', somewhere(), type);
        expect(answer.status).toBe(415);
        expect(JSON.parse(answer.body)).toEqual({
          error: 'invalid_request',
          error_description: expect.stringContaining('Content-Type: must be application/json'),
        });
        expect(issuer.asked).toHaveLength(0);
      },
    );

    it.each(['text/plain', 'multipart/form-data; boundary=b', 'application/json'])(
      'gets the expected type as its answer at /oauth2/token: %s',
      async (type) => {
        const answer = await rawRequest(`${suite.gatewayUrl}/oauth2/token`, {
          method: 'POST',
          headers: ['Authorization', PORTAL, 'Content-Type', type],
          body: 'grant_type=password',
        });
        expect(JSON.parse(answer.body)).toEqual({
          error: 'invalid_request',
          error_description: expect.stringContaining('Content-Type: application/x-www-form-urlencoded'),
        });
      },
    );
  });

  it.each([
    ['2,000 Chinese characters', '密'.repeat(2_000)],
    ['5,000 Chinese characters', '密'.repeat(5_000)],
    ['1,365 Chinese characters', '密'.repeat(1_365)],
    ['4,096 signs that are encoded', '%'.repeat(4_096)],
    ['4,096 letters', 'x'.repeat(4_096)],
    ['16,000 letters', 'x'.repeat(16_000)],
    ['20,000 letters', 'x'.repeat(20_000)],
    ['6,000 Chinese characters', '密'.repeat(6_000)],
  ])('gets one answer as JSON and as a form: a password of %s', async (_title, password) => {
    issuer.answers(() => issuer.grant());
    const json = await login(JSON.stringify({ username: someone(), password }));
    const form = new URLSearchParams({ grant_type: 'password', username: someone(), password });
    expect((await grant(form.toString())).status).toBe(json.status);
  });

  describe('from a client behind a proxy', () => {
    it.each([
      [
        'with ports',
        ['203.0.113.8:50001', '203.0.113.8:50002', '203.0.113.8', '"203.0.113.8:1"'],
        '203.0.113.8',
      ],
      [
        'as IPv6',
        ['::ffff:203.0.113.9', '[::ffff:203.0.113.9]:443', '::ffff:cb00:7109', '203.0.113.9'],
        '203.0.113.9',
      ],
      [
        'in brackets',
        ['[2001:db8::1]:443', '[2001:db8::1]', '2001:DB8::1', '"[2001:db8::2]:5"'],
        '2001:db8::1',
      ],
    ])(
      'counts under the address, written %s, which also goes to Auth0',
      async (_title, spellings, address) => {
        const statuses = [];
        for (const from of spellings) statuses.push((await guess(`198.51.100.1, ${from}`)).status);
        expect(statuses).toEqual([401, 401, 401, 429]);
        expect(issuer.askedHeaders.map((headers) => headers['auth0-forwarded-for'])).toEqual(
          Array(LIMIT).fill(address),
        );
      },
    );

    it('counts under the address of the proxy if the other is unreadable, and one line says so', async () => {
      const statuses = [];
      for (const from of ['unknown', 'garbage', '', '203.0.113.77,'])
        statuses.push((await guess(from)).status);
      expect(statuses).toEqual([401, 401, 401, 429]);
      const told = new Set(issuer.askedHeaders.map((headers) => headers['auth0-forwarded-for']));
      expect([...told]).toEqual([expect.stringMatching(/^(127\.0\.0\.1|::1)$/)]);
      expect(suite.logs.filter((line) => line.includes('X-Forwarded-For holds no address'))).toHaveLength(1);
    });
  });
});

/** Each character as an escape of JSON. */
function escaped(text: string): string {
  return [...Array(text.length).keys()]
    .map((i) => `\\u${text.charCodeAt(i).toString(16).padStart(4, '0')}`)
    .join('');
}
