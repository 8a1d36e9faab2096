import { newIssuedToken, type Principal } from '@app/contract';
import { createLogger } from '@app/ops';
import { openStore, type SharedStore } from '@app/store';
import { compose, type Ports, type UseCases } from './compose.js';
import { readUserTokenConfig } from './config.js';
import type { UpstreamGrant, UpstreamRefusal } from './core/authorization-server.js';

const JWT = ['eyJhbGciOiJSUzI1NiJ9', 'eyJzdWIiOiJhdXRoMHxhZGEifQ', 'AAAA'].join('.');
const SUBJECT = 'auth0|ada';

const logger = createLogger({ service: 'user-token', environment: 'test', level: 'silent' });
const config = readUserTokenConfig({ ENVIRONMENT: 'local', AUTH0_ISSUER_URL: 'http://localhost:1/' });

/** Something whose every method fails, and says whose it is. */
function failing<T extends object>(name: string): T {
  const call = () => {
    throw new Error(`asked ${name}`);
  };
  return new Proxy({} as T, { get: () => call });
}

function answering(answer: UpstreamGrant | UpstreamRefusal): Ports['authorizationServer'] {
  return {
    grantPassword: () => Promise.resolve(answer),
    grantRefresh: () => Promise.resolve(answer),
    revoke: () => Promise.resolve(),
    userInfo: () => Promise.resolve({ active: false }),
  };
}

const granted = answering({
  granted: true,
  accessToken: JWT,
  refreshToken: undefined,
  expiresInSeconds: 60,
  scope: 'read:venues',
});
const principal: Principal = {
  subject: SUBJECT,
  scopes: [],
  permissions: [],
  issuer: config.issuer,
  audience: [...config.audience],
  issuedAtSeconds: 1,
  expiresAtSeconds: 4_000_000_000,
  claims: {},
};
const active: Ports['tokenCheck'] = { check: () => Promise.resolve({ active: true, principal }) };

const logIn = ({ logIn: useCase, issuances }: UseCases) =>
  useCase.execute({ username: 'ada', password: 'x' }, issuances.of(undefined), {});

/** A call that gets as far as the port, and the other ports that it takes. */
const calls: Record<keyof Ports, [(useCases: UseCases) => Promise<unknown>, Partial<Ports>]> = {
  authorizationServer: [logIn, {}],
  tokenCheck: [({ verifyToken }) => verifyToken.execute(JWT), {}],
  grantCheck: [logIn, { authorizationServer: granted }],
  issuedAccessTokens: [
    ({ issuedTokens }) => issuedTokens.revoke(newIssuedToken('access', SUBJECT), 'portal'),
    {},
  ],
  sessions: [({ logOut }) => logOut.execute(JWT), {}],
  denials: [({ revokeSubject }) => revokeSubject.execute(SUBJECT), {}],
  attempts: [logIn, {}],
  mfaHandles: [
    logIn,
    { authorizationServer: answering({ granted: false, error: 'mfa_required', mfaToken: 'x' }) },
  ],
};
const ports = Object.keys(calls) as (keyof Ports)[];

describe('A composed user-token', () => {
  let store: SharedStore;

  beforeEach(() => {
    store = openStore('memory:');
  });

  afterEach(() => store.close());

  it.each(ports)('uses the %s that it is given', async (port) => {
    const [call, others] = calls[port];
    const userToken = compose({ config, store, logger }, { ...others, [port]: failing(port) });
    await expect(call(userToken.useCases)).rejects.toThrow(`asked ${port}`);
    await userToken.close();
  });

  it.each<[keyof Ports, (useCases: UseCases) => Promise<unknown>, Partial<Ports>]>([
    ['denials', ({ verifyToken }) => verifyToken.execute(JWT), { tokenCheck: active }],
    ['denials', logIn, { authorizationServer: granted, grantCheck: active }],
    [
      'sessions',
      ({ refreshSession, issuances }) => refreshSession.execute(JWT, issuances.of(undefined), {}),
      {},
    ],
    ['tokenCheck', ({ revokeSubject }) => revokeSubject.executeFor(JWT), {}],
    ['issuedAccessTokens', ({ verifyToken }) => verifyToken.execute(newIssuedToken('access', SUBJECT)), {}],
    ['authorizationServer', ({ verifyToken }) => verifyToken.execute('a'.repeat(32)), {}],
  ])('uses one %s for all that need it', async (port, call, others) => {
    const given = {
      sessions: failing<Ports['sessions']>('sessions'),
      denials: failing<Ports['denials']>('denials'),
    };
    const userToken = compose({ config, store, logger }, { ...given, ...others, [port]: failing(port) });
    await expect(call(userToken.useCases)).rejects.toThrow(`asked ${port}`);
  });

  it('starts nothing for a port that it is given', async () => {
    const given = Object.fromEntries(ports.map((port) => [port, failing(port)]));
    const userToken = compose({ config, store: failing('the store'), logger }, given);
    await userToken.settled();
    await userToken.close();
  });
});
