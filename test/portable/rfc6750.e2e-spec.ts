import { rawRequest } from '@app/test-support/network/raw-http';
import { ada, grace, Suite } from '@app/test-support/suite/suite';

/** RFC 6750 at venue, row by row; the grammar itself is in bearer-token.spec. */
describe('RFC 6750', () => {
  let suite: Suite;
  let token: string;

  beforeAll(async () => {
    suite = await Suite.open();
    token = await suite.login(ada);
  });

  afterAll(() => suite.close());

  const call = (headers: string[], path = '/venues', method = 'GET', body?: string) =>
    rawRequest(`${suite.venueUrl}${path}`, { method, headers, ...(body !== undefined && { body }) });

  it.each([
    ['Bearer', (t: string) => `Bearer ${t}`],
    ['bearer', (t: string) => `bearer ${t}`],
    ['BEARER', (t: string) => `BEARER ${t}`],
    ['two spaces', (t: string) => `Bearer  ${t}`],
  ])('2.1: accepts %s', async (_title, spell) => {
    expect((await call(['Authorization', spell(token)])).status).toBe(200);
  });

  it.each([
    ['a tab', (t: string) => `Bearer\t${t}`, [400, 401]],
    ['a comma behind it', (t: string) => `Bearer ${t},`, [400]],
    ['quotes', (t: string) => `Bearer "${t}"`, [400]],
    ['a space within', (t: string) => `Bearer ${t.slice(0, 9)} ${t.slice(9)}`, [400]],
    ['nothing behind the scheme', () => 'Bearer', [400]],
  ])('2.1: refuses %s', async (_title, spell, statuses) => {
    const answer = await call(['Authorization', spell(token)]);
    expect(statuses).toContain(answer.status);
    expect(answer.headers['www-authenticate']).toMatch(/^Bearer realm="venue"/);
  });

  const FORM = ['Content-Type', 'application/x-www-form-urlencoded'];

  it.each<[string, () => ReturnType<typeof call>]>([
    ['header and query', () => call(['Authorization', `Bearer ${token}`], `/venues?access_token=${token}`)],
    ['two headers', () => call(['Authorization', `Bearer ${token}`, 'Authorization', `Bearer ${token}`])],
  ])('2: refuses %s with invalid_request', async (_title, send) => {
    const answer = await send();
    expect(answer.status).toBe(400);
    expect(answer.headers['www-authenticate']).toContain('error="invalid_request"');
  });

  it.each<[string, () => ReturnType<typeof call>]>([
    ['2.2: in a form', () => call(FORM, '/venues', 'POST', `access_token=${token}`)],
    [
      '2.2: in JSON',
      () => call(['Content-Type', 'application/json'], '/venues', 'POST', `{"access_token":"${token}"}`),
    ],
    ['2.3: in the query', () => call([], `/venues?access_token=${token}`)],
  ])('%s a token does not count, and 3.1: the challenge has no error code', async (_title, send) => {
    const answer = await send();
    expect([401, 415]).toContain(answer.status);
    if (answer.status === 401) expect(answer.headers['www-authenticate']).toBe('Bearer realm="venue"');
  });

  it('3.1: no token gets a bare challenge', async () => {
    const answer = await call([]);
    expect(answer.status).toBe(401);
    expect(answer.headers['www-authenticate']).toBe('Bearer realm="venue"');
  });

  it('3.1: an invalid token gets 401 invalid_token', async () => {
    const answer = await call(['Authorization', `Bearer ${token.slice(0, -4)}AAAA`]);
    expect(answer.status).toBe(401);
    expect(answer.headers['www-authenticate']).toMatch(/^Bearer realm="venue", error="invalid_token"/);
  });

  it('3.1: too little scope gets 403 insufficient_scope with the required scope', async () => {
    const reader = await suite.login(grace);
    const headers = ['Authorization', `Bearer ${reader}`, 'Content-Type', 'application/json'];
    const answer = await call(headers, '/venues', 'POST', '{}');
    expect(answer.status).toBe(403);
    const challenge = answer.headers['www-authenticate'] as string;
    expect(challenge).toContain('error="insufficient_scope"');
    expect(challenge).toContain('scope="write:venues"');
    for (const name of ['realm', 'error', 'error_description', 'scope']) {
      expect(challenge.match(new RegExp(`[ ,]${name}=`, 'g'))).toHaveLength(1);
    }
  });
});
