import { createLogger } from '@app/ops';
import { newIssuedToken, type Principal } from '@app/contract';
import type { AuthorizationServer, UserInfo } from '../../core/authorization-server.js';
import { IssuedTokenCheck } from './issued-token-check.js';
import { PrincipalClaims } from './principal-claims.js';
import { UserinfoTokenCheck } from './userinfo-token-check.js';

const silent = createLogger({ service: 'user-token', environment: 'test', level: 'silent' });
const NOW_SECONDS = 1_790_000_000;
const TOO_LONG = 's'.repeat(257);

describe('an answer of /userinfo', () => {
  const checkOf = (userInfo: UserInfo, names: readonly string[] = []) =>
    new UserinfoTokenCheck(
      { userInfo: () => Promise.resolve(userInfo) } as Partial<AuthorizationServer> as AuthorizationServer,
      { issuer: 'https://issuer.test/', recheckSeconds: 60, nowSeconds: () => NOW_SECONDS },
      new PrincipalClaims(names, silent),
    ).check('opaque-token-0123456789');

  it('grants nothing, whatever its claims', async () => {
    const claims = { scope: 'read:venues', permissions: ['write:venues'], client_id: 'web' };
    const checked = await checkOf({ active: true, subject: 'auth0|ada', claims });
    expect(checked).toEqual({
      active: true,
      principal: {
        subject: 'auth0|ada',
        scopes: [],
        permissions: [],
        issuer: 'https://issuer.test/',
        audience: ['https://issuer.test/userinfo'],
        issuedAtSeconds: NOW_SECONDS,
        expiresAtSeconds: NOW_SECONDS + 60,
        claims: {},
      },
    });
  });

  it.each([
    ['too long', TOO_LONG],
    ['with half of a surrogate pair', 'auth0|\ud800'],
  ])('is refused if its subject is %s', async (_title, subject) => {
    expect(await checkOf({ active: true, subject, claims: {} })).toEqual({
      active: false,
      reason: 'invalid_subject',
    });
  });

  it('gives whole claims as long as there is room, and leaves out the rest', async () => {
    const [large, small] = ['x'.repeat(8_000), 'ada@example.com'];
    const claims = { picture: large, other: large, email: small };
    const checked = await checkOf({ active: true, subject: 'auth0|ada', claims }, [
      'picture',
      'other',
      'email',
    ]);
    expect(checked.active && checked.principal.claims).toEqual({ picture: large, email: small });
  });
});

describe('an access token of ours', () => {
  it.each([
    [
      'is not in force for a subject that could not be revoked',
      TOO_LONG,
      { active: false, reason: 'invalid_subject' },
    ],
    ['is in force for any other', 'auth0|ada', { active: true }],
  ])('%s', async (_title, subject, expected) => {
    const principal = { subject, expiresAtSeconds: Date.now() / 1000 + 60 } as Principal;
    const issued = { find: () => Promise.resolve({ principal, sessionId: 'session' }) };
    const check = new IssuedTokenCheck(issued, { nowMs: () => Date.now() });
    expect(await check.check(newIssuedToken('access', subject))).toMatchObject(expected);
  });
});
