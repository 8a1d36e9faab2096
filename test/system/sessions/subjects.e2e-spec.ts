import { UserTokenClient } from '@app/user-token-client';
import { ScriptedIssuer } from '@app/test-support/issuer/scripted-issuer';
import { ada, Suite } from '@app/test-support/suite/suite';

/** A revocation must be able to name the subject of each accepted token. */
describe('a subject', () => {
  let issuer: ScriptedIssuer;
  let suite: Suite;

  beforeAll(async () => {
    issuer = await ScriptedIssuer.start();
    suite = await Suite.open({ AUTH0_ISSUER_URL: issuer.issuer });
  });

  afterAll(async () => {
    await suite.close();
    await issuer.stop();
  });

  beforeEach(() => {
    issuer.revoked.length = 0;
    suite.logs.length = 0;
  });

  it.each([
    ['is too long', 's'.repeat(257)],
    ['has half of a surrogate pair', 'auth0|\ud800'],
    ['has a NUL', 'auth0|\0'],
  ])('that %s is refused at the log-in and at a venue, and the log says why', async (_title, sub) => {
    const grant = await issuer.grant({ sub });
    issuer.answers(grant);
    const answer = await suite.tryLogin({ ...ada });
    expect(answer).toMatchObject({ status: 401, body: { error: 'invalid_grant' } });
    const { access_token: token, refresh_token: refreshToken } = grant.body as Record<string, string>;
    expect(issuer.revoked).toEqual([refreshToken]);
    expect(suite.logs.join('\n')).toContain('its subject could not be revoked');
    expect(await suite.venue('/venues', { token })).toMatchObject({ status: 401 });
    expect(await suite.gateway('/auth/me', { token })).toMatchObject({ status: 401 });
  });

  it.each([
    ['as long as it may be', 's'.repeat(256)],
    ['of characters that take two units each', '\u{1F600}'.repeat(256)],
    ['with spaces around it', ' auth0|ada '],
  ])('that is %s is accepted, and can be revoked', async (_title, sub) => {
    issuer.answers(() => issuer.grant({ sub }));
    const token = await suite.login(ada);
    expect(await suite.venue('/venues', { token })).toMatchObject({ status: 200 });
    const { userTokenUrl } = suite.own!.running;
    const client = new UserTokenClient({ urls: userTokenUrl });
    await client.revokeSubject({ subject: sub }).finally(() => client.close());
    expect(await suite.venue('/venues', { token })).toMatchObject({ status: 401 });
  });
});
