import { ada, mallory, Suite } from '@app/test-support/suite/suite';

/** `Suite.close` searches each end-to-end suite; this one provokes leaks, and shows that the search finds them. */
describe('secrets', () => {
  let suite: Suite;

  beforeAll(async () => {
    suite = await Suite.open();
  });

  afterAll(async () => {
    await suite.close();
  });

  it('are in no answer, log line or Redis value, whatever fails', async () => {
    const token = await suite.login(ada);
    const refreshed = await suite.refresh(token);
    await suite.venue('/venues', { token: refreshed });
    await suite.venue(`/venues?access_token=${refreshed}`);
    await suite.tryLogin({ ...ada, password: `${ada.password}x` });
    await suite.tryLogin({ ...mallory });
    await suite.tryLogin({ ...ada, username: [ada.password] });
    const headers = { 'content-type': 'application/json' };
    await suite.gateway('/auth/login', { method: 'POST', headers, body: `{"password":${ada.password}}` });
    await suite.gateway(`/auth/login?password=${ada.password}`, { method: 'POST' });
    await suite.gateway('/auth/refresh', { method: 'POST', token: ada.password });
    const { redis } = suite.own!;
    redis.freeze();
    expect((await suite.tryLogin({ ...ada })).status).toBe(503);
    expect((await suite.logout(refreshed)).status).toBe(503);
    redis.thaw();
    // Passwords of the log-in and the refresh. The log-in without a count did not reach Auth0.
    expect(suite.refreshTokens).toHaveLength(2);
    expect(suite.logs.length).toBeGreaterThan(20);
    expect(await suite.leaks()).toEqual([]);
  });

  it('would be found in a Redis value, a log line and an answer', async () => {
    const planted = await Suite.open();
    const { redis, running } = planted.own!;
    await planted.login(ada);
    expect(await planted.leaks()).toEqual([]);
    await redis.cli('SET', 'planted', `x${planted.refreshTokens[0]}x`);
    // Answer and log repeat any request id of a caller.
    await planted.venue('/', { headers: { 'x-request-id': ada.password } });
    const places = (await planted.leaks()).map((leak) => / in (\w+):/.exec(leak)?.[1]);
    expect(new Set(places)).toEqual(new Set(['answer', 'log', 'Redis']));
    await running.stop();
    await redis.stop();
  });
});
