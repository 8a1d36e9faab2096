import { decodeJwt } from 'jose';
import { IdentityUnderTest } from '@app/test-support/issuer/identity-under-test';
import { API as OWN_API, MACHINE, ownSeed } from '@app/test-support/issuer/own-seed';

describe('the client_credentials grant', () => {
  it('issues tokens within the client grant', async () => {
    const SUITE = { client_id: 'venue-suite', client_secret: 'venue-suite-local-secret' };
    const identity = await IdentityUnderTest.start(SUITE);
    const request = { grant_type: 'client_credentials', audience: 'https://api.venue.example/' };
    const { body } = await identity.token(request);
    expect(decodeJwt(body.access_token)).toMatchObject({
      sub: 'venue-suite@clients',
      gty: 'client-credentials',
      scope: 'read:venues',
    });
    expect(await identity.token({ ...request, scope: 'write:venues' })).toMatchObject({
      status: 403,
      body: { error: 'access_denied', error_description: 'Client has not been granted scopes: write:venues' },
    });
    await identity.stop();
  });

  it('is refused without a client grant', async () => {
    const identity = await IdentityUnderTest.start(MACHINE, { seed: ownSeed });
    const request = { grant_type: 'client_credentials' };
    expect(await identity.token({ ...request, audience: OWN_API })).toMatchObject({
      status: 403,
      body: { error: 'access_denied', error_description: expect.stringContaining('client-grant') },
    });
    expect(await identity.token(request)).toMatchObject({
      status: 403,
      body: { error: 'access_denied', error_description: expect.stringContaining('Non-global clients') },
    });
    await identity.stop();
  });
});
