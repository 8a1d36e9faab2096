/** Too much load: what is refused, and what goes on. */
import { IdentityUnderTest } from '@app/test-support/issuer/identity-under-test';
import { ADA, API, APP, ownSeed } from '@app/test-support/issuer/own-seed';
import type { IdentityEnvironment } from '../index.js';

describe('identity under too much load', () => {
  const busy = {
    status: 503,
    body: { error: 'temporarily_unavailable', error_description: expect.any(String) },
  };
  const scope = 'read offline_access';
  let identity: IdentityUnderTest;

  const start = async (limits: Partial<IdentityEnvironment>) => {
    identity = await IdentityUnderTest.start(APP, { seed: ownSeed, ...limits });
  };
  const logIn = (parameters: Record<string, string> = {}) =>
    identity.token({ grant_type: 'password', ...ADA, ...parameters });

  afterEach(async () => {
    await identity.stop();
  });

  it('refuses log-ins and keeps every session', async () => {
    await start({ memory: { maxEntries: 20 } });
    const tokens: string[] = [];
    // Two entries for each, a grant and a refresh token; the last tenth is for refreshes.
    for (let i = 0; i < 9; i += 1) {
      const { status, body } = await logIn({ audience: API, scope });
      expect(status).toBe(200);
      tokens.push(body.refresh_token);
    }
    for (let i = 0; i < 15; i += 1) expect(await logIn({ audience: API, scope })).toMatchObject(busy);
    expect(identity.lines.filter((line) => line.includes('turned away'))).toHaveLength(10);
    expect((await logIn({ audience: API, scope: 'read' })).status).toBe(200);

    for (const [i, value] of tokens.entries()) {
      const { status, body } = await identity.refresh(value);
      // Each refresh adds one entry, to detect reuse; without room it changes nothing.
      expect({ i, status }).toEqual({ i, status: i === 0 ? 200 : 503 });
      if (status === 503) expect(body).toEqual(busy.body);
      else tokens[i] = body.refresh_token;
    }
    const revoked = new URLSearchParams({ ...APP, token: tokens[0]! });
    expect((await identity.send('oauth/revoke', { method: 'POST', body: revoked })).status).toBe(200);
    for (const value of tokens.slice(1, 3)) expect((await identity.refresh(value)).status).toBe(200);
  });

  it('says when to try again', async () => {
    await start({ memory: { maxEntries: 1 } });
    const { status, headers } = await logIn();
    expect(status).toBe(503);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
  });

  it('refuses log-ins behind too many waiting passwords', async () => {
    await start({ passwordChecks: { atOnce: 1, waiting: 1 } });
    const answers = await Promise.all(Array.from({ length: 20 }, () => logIn()));
    const statuses = answers.map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([200, 503]));
    expect(answers.find(({ status }) => status === 503)).toMatchObject(busy);
    expect((await logIn()).status).toBe(200);
  });
});
