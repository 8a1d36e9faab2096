import type { Principal } from '@app/contract';
import { PORTAL } from '@app/test-support/core/interleavings';
import { Operation, SteppedCore, type Replica } from '@app/test-support/core/stepped-core';
import { SessionAccess } from './session-access.js';

const OWN = { clientId: 'own-client', audience: ['https://api.example/', 'https://other-api.example/'] };

describe('SessionAccess', () => {
  let core: SteppedCore;
  let replica: Replica;
  let access: SessionAccess;

  beforeEach(async () => {
    core = await SteppedCore.open();
    [replica] = core.replicas;
    access = new SessionAccess(replica.verifyToken, replica.sessions, OWN);
  });

  afterEach(() => core.close());

  /** A token of the tenant that no session here has. */
  async function elsewhere(overrides: Partial<Principal>): Promise<string> {
    const { accessToken } = await replica.loggedIn('ada');
    const { principal } = core.issuer.accessTokens.get(accessToken)!;
    const token = 'opaque-token-ada';
    core.issuer.verdicts.set(token, { active: true, principal: { ...principal, ...overrides } });
    return token;
  }
  const permitted = { permitted: true, subject: 'auth0|ada' };
  const refused = (reason: string) => ({ permitted: false, reason });

  it.each<[string, Partial<Principal>, object]>([
    ['our own client got for our API', {}, permitted],
    ['our own client got for another of our APIs', { audience: [OWN.audience[1]!] }, permitted],
    ['our own client got for our API and for others', { audience: ['x', OWN.audience[0]!] }, permitted],
    ['our own client got for the API of others', { audience: ['x'] }, refused('not_permitted')],
    ['our own client got for no API', { audience: [] }, refused('not_permitted')],
    ['another client got for our API', { clientId: 'another' }, refused('not_permitted')],
    ['says nothing of its client', { clientId: undefined }, refused('not_permitted')],
  ])('of a token that has no session here and that %s', async (_title, overrides, answer) => {
    expect(await access.of(await elsewhere(overrides))).toEqual(answer);
  });

  it('has a token that has or had a session here, whatever it says of its client', async () => {
    const first = (await replica.loggedIn('ada')).accessToken;
    const second = (await replica.refreshed(first)).accessToken;
    for (const token of [first, second]) {
      const { principal } = core.issuer.accessTokens.get(token)!;
      core.issuer.verdicts.set(token, { active: true, principal: { ...principal, clientId: undefined } });
      expect(await access.of(token)).toEqual(permitted);
    }
  });

  it('has no token that was issued to a registered client, though that is for our API and has a session', async () => {
    const { accessToken } = await replica.loggedIn('ada', PORTAL);
    const own = new SessionAccess(replica.verifyToken, replica.sessions, { ...OWN, clientId: 'portal' });
    expect(await own.of(accessToken)).toEqual(refused('not_permitted'));
  });

  it('has no token that was revoked', async () => {
    const { accessToken } = await replica.loggedIn('ada');
    await replica.logOut.execute(accessToken);
    expect(await access.of(accessToken)).toEqual(refused('revoked'));
  });

  it('is found without the sessions where the token says enough', async () => {
    const token = await elsewhere({});
    const operation = new Operation(() => access.of(token));
    expect(await operation.outcome).toEqual({ value: permitted });
    expect(operation.calls).toEqual(['tokenCheck.check', 'store.getMany']);
  });
});
