import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify, type JSONWebKeySet } from 'jose';
import { IdentityUnderTest } from '@app/test-support/issuer/identity-under-test';
import { CredentialCheck, UserDirectory, type Client, type User } from './index.js';

const SUITE = { client_id: 'venue-suite', client_secret: 'venue-suite-local-secret' };
const ADA = { username: 'ada@example.com', password: 'analytical-engine-1843' };
const API = 'https://api.venue.example/';
const REFUSED = { status: 401, body: { error: 'access_denied', error_description: 'Unauthorized' } };

describe('a tenant', () => {
  let identity: IdentityUnderTest;

  beforeAll(async () => {
    identity = await IdentityUnderTest.start(SUITE);
  });

  afterAll(async () => {
    await identity.stop();
  });

  const logIn = (parameters: Record<string, string> = {}) =>
    identity.token({ grant_type: 'password', ...ADA, audience: API, ...parameters });

  describe('whose clients change', () => {
    const NEWCOMER = { client_id: 'newcomer', client_secret: 'newcomer-first-secret' };
    const newcomer = (change: Partial<Client> = {}): Client => ({
      ...identity.running.tenant.clients.find('venue-suite')!,
      clientId: NEWCOMER.client_id,
      clientSecret: NEWCOMER.client_secret,
      ...change,
    });
    const put = (change?: Partial<Client>) => identity.running.tenant.clients.put(newcomer(change));
    const offline = { ...NEWCOMER, scope: 'offline_access read:venues' };

    afterEach(() => {
      identity.running.tenant.clients.remove(NEWCOMER.client_id);
    });

    it('logs in a client that was added', async () => {
      expect(await logIn(NEWCOMER)).toMatchObject(REFUSED);
      put();
      const { status, body } = await logIn(NEWCOMER);
      expect(status).toBe(200);
      expect(decodeJwt(body.access_token)).toMatchObject({ azp: 'newcomer', aud: API });
    });

    it('refuses a disabled client, its refreshes included, until it is enabled again', async () => {
      put();
      const { body } = await logIn(offline);
      put({ enabled: false });
      expect(await logIn(NEWCOMER)).toMatchObject(REFUSED);
      expect(await identity.refresh(body.refresh_token, NEWCOMER)).toMatchObject(REFUSED);
      put();
      expect((await identity.refresh(body.refresh_token, NEWCOMER)).status).toBe(200);
    });

    it('wants the new secret of a client', async () => {
      put();
      expect((await logIn(NEWCOMER)).status).toBe(200);
      put({ clientSecret: 'newcomer-second-secret' });
      expect(await logIn(NEWCOMER)).toMatchObject(REFUSED);
      expect((await logIn({ ...NEWCOMER, client_secret: 'newcomer-second-secret' })).status).toBe(200);
    });

    it('applies the new grant types and lifetimes of a client', async () => {
      put({ accessTokenLifetimeSeconds: 7 });
      expect((await logIn(NEWCOMER)).body.expires_in).toBe(7);
      put({ grantTypes: ['refresh_token'] });
      expect(await logIn(NEWCOMER)).toMatchObject({ status: 403, body: { error: 'unauthorized_client' } });
    });

    it("revokes a removed client's token for no other client", async () => {
      put({ refreshTokenLeewaySeconds: 60 });
      const { body } = await logIn(offline);
      expect((await identity.refresh(body.refresh_token, NEWCOMER)).status).toBe(200);
      identity.running.tenant.clients.remove(NEWCOMER.client_id);
      expect(await identity.refresh(body.refresh_token, NEWCOMER)).toMatchObject(REFUSED);
      const revocation = new URLSearchParams({ ...SUITE, token: body.refresh_token });
      const answer = await identity.send('oauth/revoke', { method: 'POST', body: revocation });
      expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
    });

    it('refuses a log-in whose client is removed while the password is checked', async () => {
      const ada = { userId: 'auth0|ada', email: ADA.username, emailVerified: true, blocked: false };
      const user: User = { ...ada, profile: {}, permissions: new Map() };
      class RemovingCheck extends CredentialCheck {
        override async check() {
          other.running.tenant.clients.remove(SUITE.client_id);
          return { ok: true, user } as const;
        }
      }
      class OneUser extends UserDirectory {
        override async find() {
          return user;
        }
      }
      const other = await IdentityUnderTest.start(SUITE, {
        accounts: { credentialCheck: new RemovingCheck(), users: new OneUser() },
      });
      expect(await other.token({ grant_type: 'password', ...ADA, audience: API })).toMatchObject(REFUSED);
      await other.stop();
    });
  });

  describe('whose signing keys rotate', () => {
    const kidOf = (jwt: string) => decodeProtectedHeader(jwt).kid;
    const publishedKeys = async () => (await identity.send('.well-known/jwks.json')).body as JSONWebKeySet;
    const publishedKids = async () => (await publishedKeys()).keys.map(({ kid }) => kid);
    const verify = async (jwt: string) =>
      jwtVerify(jwt, createLocalJWKSet(await publishedKeys()), { issuer: identity.issuer });
    const scope = 'openid email offline_access';

    it('signs with the new key, publishes both, and ends no session', async () => {
      const { tenant } = identity.running;
      const before = (await logIn({ scope })).body;
      const [old] = tenant.keyIds;
      const opaque = (await identity.token({ grant_type: 'password', ...ADA, scope: 'openid' })).body;

      await tenant.rotateSigningKey();
      const [next] = tenant.keyIds;
      expect(await publishedKids()).toEqual([next, old]);
      expect(kidOf(before.access_token)).toBe(old);
      await verify(before.access_token);
      await verify(before.id_token);
      for (const token of [before.access_token, opaque.access_token]) {
        expect((await identity.userinfo(token)).status).toBe(200);
      }

      const after = (await identity.refresh(before.refresh_token)).body;
      for (const jwt of [after.access_token, after.id_token, (await logIn()).body.access_token]) {
        expect(kidOf(jwt)).toBe(next);
        await verify(jwt);
      }
      // The rotation of keys does not hide the reuse of a refresh token.
      expect((await identity.refresh(before.refresh_token)).status).toBe(403);
      expect((await identity.refresh(after.refresh_token)).status).toBe(403);
    });

    it('ends the tokens of a retired key, and no others', async () => {
      const { tenant } = identity.running;
      const before = (await logIn({ scope })).body;
      const [old] = tenant.keyIds;
      await tenant.rotateSigningKey();
      const after = (await logIn({ scope })).body;

      tenant.retireSigningKey(old!);
      expect(await publishedKids()).not.toContain(old);
      await expect(verify(before.access_token)).rejects.toMatchObject({ code: 'ERR_JWKS_NO_MATCHING_KEY' });
      expect((await identity.userinfo(before.access_token)).status).toBe(401);
      expect((await identity.userinfo(after.access_token)).status).toBe(200);
      await verify(after.access_token);
      expect((await identity.refresh(before.refresh_token)).status).toBe(200);
    });

    it('keeps the keys of rotations at the same time', async () => {
      const { tenant } = identity.running;
      const before = tenant.keyIds;
      await Promise.all([tenant.rotateSigningKey(), tenant.rotateSigningKey()]);
      expect(tenant.keyIds.slice(2)).toEqual(before);
      expect(await publishedKids()).toEqual(tenant.keyIds);
    });

    it('retires neither the key that signs nor an unknown one', async () => {
      const { tenant } = identity.running;
      const [current] = tenant.keyIds;
      expect(() => tenant.retireSigningKey(current!)).toThrow(/signs/);
      expect(() => tenant.retireSigningKey('unknown')).toThrow(/no key unknown/);
      expect(await publishedKids()).toContain(current);
    });

    it('tells of refresh tokens before and after', async () => {
      const { tenant } = identity.running;
      const issued: string[] = [];
      tenant.events.on('refresh_token', (token) => issued.push(token));
      const first = (await logIn({ scope })).body.refresh_token;
      await tenant.rotateSigningKey();
      const second = (await identity.refresh(first)).body.refresh_token;
      expect(issued).toEqual([first, second]);
    });
  });
});
