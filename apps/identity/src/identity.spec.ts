import * as client from 'openid-client';
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify, type JSONWebKeySet } from 'jose';
import { createLogger } from '@app/ops';
import { readIdentityConfig, startIdentity, type RunningIdentity } from './index.js';

const SUITE = { client_id: 'venue-suite', client_secret: 'venue-suite-local-secret' };
const ADA = { username: 'ada@example.com', password: 'analytical-engine-1843' };
const GRACE = { username: 'grace@example.com', password: 'nanosecond-11.8-inches' };
const MALLORY = { username: 'mallory@example.com', password: 'blocked-for-good-0' };
const API = 'https://api.venue.example/';
const PASSWORD_REALM = 'http://auth0.com/oauth/grant-type/password-realm';
const ALL_SCOPES = 'openid profile email offline_access read:venues write:venues';

describe('identity', () => {
  let identity: RunningIdentity;

  beforeAll(async () => {
    const config = readIdentityConfig({ ENVIRONMENT: 'local', PORT: '0', OPS_PORT: '0' });
    const logger = createLogger({ service: 'identity', environment: 'local', level: 'silent' });
    identity = await startIdentity(config, { logger });
  });

  afterAll(async () => {
    await identity.stop();
  });

  async function send(
    path: string,
    init: RequestInit,
  ): Promise<{ status: number; headers: Headers; text: string; body: any }> {
    const response = await fetch(`${identity.issuer}${path}`, init);
    const text = await response.text();
    const isJson = /json/.test(response.headers.get('content-type') ?? '');
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: isJson ? JSON.parse(text) : undefined,
    };
  }
  const token = (parameters: Record<string, string>, headers: Record<string, string> = {}) =>
    send('oauth/token', { method: 'POST', headers, body: new URLSearchParams({ ...SUITE, ...parameters }) });
  const password = (parameters: Record<string, string>) =>
    token({ grant_type: 'password', ...ADA, ...parameters });
  const postJson = (path: string, body: unknown) =>
    send(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });

  async function claimsOf(jwt: string) {
    const { body } = await send('.well-known/jwks.json', {});
    const { payload } = await jwtVerify(jwt, createLocalJWKSet(body as JSONWebKeySet), {
      issuer: identity.issuer,
    });
    return payload;
  }

  it('publishes metadata under an issuer with a final slash', async () => {
    const { body } = await send('.well-known/openid-configuration', { headers: { host: 'evil.example' } });
    expect(body).toMatchObject({
      issuer: identity.issuer,
      token_endpoint: `${identity.issuer}oauth/token`,
      userinfo_endpoint: `${identity.issuer}userinfo`,
      jwks_uri: `${identity.issuer}.well-known/jwks.json`,
      revocation_endpoint: `${identity.issuer}oauth/revoke`,
    });
    expect(identity.issuer).toMatch(/\/$/);
  });

  it('publishes public keys only', async () => {
    const { body } = await send('.well-known/jwks.json', {});
    expect(body.keys).toHaveLength(1);
    expect(Object.keys(body.keys[0]).sort()).toEqual(['alg', 'e', 'kid', 'kty', 'n', 'use']);
  });

  describe('password grant', () => {
    it('issues an RS256 access token for an API, in the form of Auth0', async () => {
      const { status, headers, body } = await password({ audience: API, scope: ALL_SCOPES });
      expect(status).toBe(200);
      expect(headers.get('cache-control')).toBe('no-store');
      expect(headers.get('pragma')).toBe('no-cache');
      expect(body).toMatchObject({
        token_type: 'Bearer',
        expires_in: 3600,
        refresh_token: expect.any(String),
      });
      expect(decodeProtectedHeader(body.access_token)).toEqual({
        alg: 'RS256',
        typ: 'JWT',
        kid: expect.any(String),
      });
      expect(await claimsOf(body.access_token)).toMatchObject({
        sub: 'auth0|ada',
        aud: [API, `${identity.issuer}userinfo`],
        azp: 'venue-suite',
        scope: ALL_SCOPES,
        gty: 'password',
        permissions: ['read:venues', 'write:venues'],
        jti: expect.any(String),
      });
      expect(await claimsOf(body.id_token)).toMatchObject({
        sub: 'auth0|ada',
        aud: 'venue-suite',
        email: ADA.username,
      });
    });

    it('grants only scopes that the user may have, and names them', async () => {
      const { body } = await password({ ...GRACE, audience: API, scope: 'openid read:venues write:venues' });
      expect(body.scope).toBe('openid read:venues');
      expect(await claimsOf(body.access_token)).toMatchObject({ permissions: ['read:venues'] });
      expect(body.refresh_token).toBeUndefined();
    });

    it('grants all API scopes of the user when none is requested', async () => {
      expect((await password({ audience: API })).body.scope).toBe('read:venues write:venues');
    });

    it('issues an opaque token without an audience', async () => {
      const { body } = await password({ scope: 'openid email' });
      expect(body.access_token).not.toContain('.');
      const { body: user } = await send('userinfo', {
        headers: { authorization: `Bearer ${body.access_token}` },
      });
      expect(user).toEqual({ sub: 'auth0|ada', email: ADA.username, email_verified: true });
    });

    it('accepts JSON and a form, Basic and post', async () => {
      const grant = { grant_type: 'password', ...ADA, audience: API };
      expect((await postJson('oauth/token', { ...SUITE, ...grant })).status).toBe(200);
      const basic = Buffer.from(`${SUITE.client_id}:${SUITE.client_secret}`).toString('base64');
      const headers = { authorization: `Basic ${basic}` };
      const answer = await send('oauth/token', { method: 'POST', headers, body: new URLSearchParams(grant) });
      expect(answer.status).toBe(200);
    });

    it('accepts the name of a connection', async () => {
      const realm = 'Username-Password-Authentication';
      expect((await password({ grant_type: PASSWORD_REALM, realm })).status).toBe(200);
      expect(await password({ grant_type: PASSWORD_REALM, realm: 'nowhere' })).toMatchObject({
        status: 400,
        body: { error: 'invalid_request', error_description: 'the connection was not found' },
      });
    });

    it('gives the client brief tokens of two seconds', async () => {
      const { body } = await password({
        client_id: 'brief',
        client_secret: 'brief-local-secret',
        audience: API,
      });
      expect(body.expires_in).toBe(2);
    });

    it.each<[string, Record<string, string>, number, string, string]>([
      ['a wrong password', { password: 'x' }, 403, 'invalid_grant', 'Wrong email or password.'],
      ['an unknown user', { username: 'x@example.com' }, 403, 'invalid_grant', 'Wrong email or password.'],
      [
        'a blocked user with the wrong password',
        { ...MALLORY, password: 'x' },
        403,
        'invalid_grant',
        'Wrong email or password.',
      ],
      ['a blocked user', MALLORY, 403, 'unauthorized', 'user is blocked'],
      ['a wrong client secret', { client_secret: 'x' }, 401, 'access_denied', 'Unauthorized'],
      ['an unknown client', { client_id: 'x' }, 401, 'access_denied', 'Unauthorized'],
      [
        'an unknown audience',
        { audience: 'https://x/' },
        403,
        'access_denied',
        'Service not enabled within domain: https://x/',
      ],
    ])('refuses %s as Auth0 does', async (_title, parameters, status, error, description) => {
      const answer = await password(parameters);
      expect(answer).toMatchObject({ status, body: { error, error_description: description } });
      expect(answer.headers.get('cache-control')).toBe('no-store');
    });

    it.each<[string, Record<string, unknown>]>([
      ['no username', { ...ADA, username: undefined }],
      ['no grant type', { ...ADA, grant_type: undefined }],
      ['a password that is an object', { ...ADA, password: { $ne: null } }],
      ['a username that is a list', { ...ADA, username: [ADA.username] }],
    ])('refuses %s with 400', async (_title, parameters) => {
      const answer = await postJson('oauth/token', { ...SUITE, grant_type: 'password', ...parameters });
      expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
      expect(answer.text).not.toContain(ADA.password);
    });

    it('refuses a doubled parameter', async () => {
      const body = new URLSearchParams({ ...SUITE, grant_type: 'password', ...ADA });
      body.append('username', 'other@example.com');
      expect((await send('oauth/token', { method: 'POST', body })).status).toBe(400);
    });
  });

  describe('refresh_token grant', () => {
    const login = async () =>
      (await password({ audience: API, scope: ALL_SCOPES })).body.refresh_token as string;
    const refresh = (refreshToken: string, more = {}) =>
      token({ grant_type: 'refresh_token', refresh_token: refreshToken, ...more });
    const unknown = {
      status: 403,
      body: { error: 'invalid_grant', error_description: 'Unknown or invalid refresh token.' },
    };

    it('rotates: the old token counts as reuse, and ends the family', async () => {
      const first = await login();
      const second = (await refresh(first)).body.refresh_token as string;
      expect(second).not.toBe(first);
      expect(await refresh(first)).toMatchObject(unknown);
      expect(await refresh(second)).toMatchObject(unknown);
    });

    it('accepts one of fifty parallel uses', async () => {
      const refreshToken = await login();
      const answers = await Promise.all(Array.from({ length: 50 }, () => refresh(refreshToken)));
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    });

    it('keeps the audience, and narrows but never widens the scope', async () => {
      const narrowed = await refresh(await login(), { scope: 'openid read:venues' });
      expect(await claimsOf(narrowed.body.access_token)).toMatchObject({ scope: 'openid read:venues' });
      const reader = (await password({ ...GRACE, audience: API, scope: ALL_SCOPES })).body
        .refresh_token as string;
      const widened = await refresh(reader, { scope: 'openid write:venues' });
      expect(widened).toMatchObject({ status: 400, body: { error: 'invalid_scope' } });
    });

    it("refuses another client's token", async () => {
      const other = { client_id: 'brief', client_secret: 'brief-local-secret' };
      expect(await refresh(await login(), other)).toMatchObject(unknown);
    });

    it('refuses a revoked token; a revocation reveals nothing about the token', async () => {
      const refreshToken = await login();
      for (const value of [refreshToken, refreshToken, 'never-issued']) {
        const revoked = await postJson('oauth/revoke', { ...SUITE, token: value });
        expect(revoked).toMatchObject({ status: 200, text: '' });
      }
      expect(await refresh(refreshToken)).toMatchObject(unknown);
    });
  });

  it('issues client_credentials tokens within the client grant', async () => {
    const { body } = await token({ grant_type: 'client_credentials', audience: API });
    expect(await claimsOf(body.access_token)).toMatchObject({
      sub: 'venue-suite@clients',
      gty: 'client-credentials',
      scope: 'read:venues',
    });
    expect(
      await token({ grant_type: 'client_credentials', audience: API, scope: 'write:venues' }),
    ).toMatchObject({
      status: 403,
      body: { error: 'access_denied', error_description: 'Client has not been granted scopes: write:venues' },
    });
  });

  it('refuses at /userinfo as Auth0 does: plain text, the reason in the challenge', async () => {
    const answer = await send('userinfo', { headers: { authorization: 'Bearer nobody-issued-this' } });
    expect(answer).toMatchObject({ status: 401, text: 'Unauthorized' });
    expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer realm="Users", error="invalid_token"/);
  });

  it('works with openid-client, unmodified', async () => {
    const config = await client.discovery(
      new URL(identity.issuer),
      SUITE.client_id,
      undefined,
      client.ClientSecretPost(SUITE.client_secret),
      { execute: [client.allowInsecureRequests] },
    );
    const tokens = await client.genericGrantRequest(config, 'password', {
      ...ADA,
      audience: API,
      scope: ALL_SCOPES,
    });
    const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token!);
    expect(await client.fetchUserInfo(config, refreshed.access_token, 'auth0|ada')).toMatchObject({
      name: 'Ada Lovelace',
    });
    await client.tokenRevocation(config, refreshed.refresh_token!);
    await expect(client.refreshTokenGrant(config, refreshed.refresh_token!)).rejects.toMatchObject({
      error: 'invalid_grant',
    });
  });
});
