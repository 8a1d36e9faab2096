import * as client from 'openid-client';
import { IdentityUnderTest } from '@app/test-support/issuer/identity-under-test';

const SUITE = { client_id: 'venue-suite', client_secret: 'venue-suite-local-secret' };
const ADA = { username: 'ada@example.com', password: 'analytical-engine-1843' };

describe('identity as an OpenID provider', () => {
  let identity: IdentityUnderTest;

  beforeAll(async () => {
    identity = await IdentityUnderTest.start(SUITE);
  });

  afterAll(async () => {
    await identity.stop();
  });

  it('publishes metadata under an issuer with a final slash', async () => {
    const { body } = await identity.send('.well-known/openid-configuration');
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
    const { body } = await identity.send('.well-known/jwks.json');
    expect(body.keys).toHaveLength(1);
    expect(Object.keys(body.keys[0]).sort()).toEqual(['alg', 'e', 'kid', 'kty', 'n', 'use']);
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
      audience: 'https://api.venue.example/',
      scope: 'openid profile offline_access read:venues',
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
