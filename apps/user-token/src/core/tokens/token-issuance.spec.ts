import { issuedTokenKind, issuedTokenSubjectKey, type Principal } from '@app/contract';
import type { UpstreamGrant } from '../authorization-server.js';
import { TokenIssuances, type AskingClient } from './token-issuance.js';
import type { Session } from '../sessions/sessions.js';

const NOW_SECONDS = 1_800_000_000;
const LIFETIMES = { idleSeconds: 1_000, absoluteSeconds: 10_000 };

const upstream: UpstreamGrant = {
  granted: true,
  accessToken: 'upstream-access-token',
  refreshToken: 'upstream-refresh-token',
  expiresInSeconds: 600,
  scope: 'read write',
};
const principal: Principal = {
  subject: 'auth0|ada',
  clientId: 'own-client',
  scopes: ['read', 'write'],
  permissions: ['read', 'write', 'admin'],
  issuer: 'https://issuer.example/',
  audience: ['https://api.example/'],
  issuedAtSeconds: NOW_SECONDS - 1,
  expiresAtSeconds: NOW_SECONDS + 600.5,
  claims: { name: 'Ada' },
};
const session: Session = {
  id: 'id',
  subject: 'auth0|ada',
  scope: 'read write',
  startedAtSeconds: NOW_SECONDS - 100,
  usedAtSeconds: NOW_SECONDS - 50,
  device: {},
  issuedAtSeconds: NOW_SECONDS - 50,
  expiresAtSeconds: NOW_SECONDS,
  accessTokens: [],
};

describe('a front', () => {
  let nowSeconds: number;
  let issuances: TokenIssuances;

  beforeEach(() => {
    nowSeconds = NOW_SECONDS;
    issuances = new TokenIssuances(LIFETIMES, { nowMs: () => nowSeconds * 1000 });
  });

  describe('of our own front ends', () => {
    const own = () => issuances.of(undefined);

    it("hands out the authorization server's access token, and nothing to refresh by", () => {
      expect(own().issue(upstream, principal, undefined)).toEqual({
        token: { accessToken: 'upstream-access-token', expiresInSeconds: 600, scope: 'read write' },
        scope: 'read write',
      });
    });

    it.each([
      ['the session has it as before', session, 'read write'],
      ['there is none at log-in', undefined, ''],
    ])('where upstream names no scope, %s', (_title, of, scope) => {
      const issued = own().issue({ ...upstream, scope: '' }, principal, of);
      expect(issued).toMatchObject({ token: { scope }, scope });
    });

    it('takes every answer, and covers every session', () => {
      expect(own().clientId).toBeUndefined();
      expect(own().covers(session)).toBe(true);
      expect(own().takes({ accessToken: 'x', expiresInSeconds: 1, scope: 'admin' })).toBe(true);
    });
  });

  describe('of a registered client', () => {
    const portal: AskingClient = { clientId: 'portal', allowed: ['read', 'write'] };
    const issue = (client: Partial<AskingClient>, grant: Partial<UpstreamGrant> = {}, of?: Session) =>
      issuances.of({ ...portal, ...client }).issue({ ...upstream, ...grant }, principal, of);

    it('mints a pair of its own that does not name the user', () => {
      const { token, principal: own } = issue({})!;
      expect(issuedTokenKind(token.accessToken)).toBe('access');
      expect(issuedTokenKind(token.refreshToken!)).toBe('refresh');
      expect(issuedTokenSubjectKey(token.accessToken)).toBe(issuedTokenSubjectKey(token.refreshToken!));
      expect(token).toEqual({
        accessToken: expect.any(String),
        refreshToken: expect.any(String),
        expiresInSeconds: 600,
        refreshExpiresInSeconds: 1_000,
        scope: 'read write',
      });
      expect(own).toEqual({
        ...principal,
        clientId: 'portal',
        scopes: ['read', 'write'],
        permissions: ['read', 'write'],
      });
      expect(issue({})!.token.accessToken).not.toBe(token.accessToken);
      expect(issuances.of(portal).clientId).toBe('portal');
    });

    it.each<[string, Partial<AskingClient>, Partial<UpstreamGrant>, Session | undefined, string | undefined]>(
      [
        ['all that it may have', {}, {}, undefined, 'read write'],
        ['no more than it may have', { allowed: ['read'] }, {}, undefined, 'read'],
        ['what it asks for', { asked: ['write'] }, {}, undefined, 'write'],
        [
          'nothing of what it may not have',
          { asked: ['read', 'admin'] },
          { scope: 'read admin' },
          undefined,
          'read',
        ],
        ['no more than upstream granted', {}, { scope: 'read' }, undefined, 'read'],
        [
          'what it asks for where upstream says nothing',
          { asked: ['write'] },
          { scope: '' },
          undefined,
          'write',
        ],
        ['all where neither says anything', {}, { scope: '' }, undefined, 'read write'],
        ['what its session has', {}, {}, { ...session, scope: 'write' }, 'write'],
        [
          'what its session has, where upstream says nothing',
          {},
          { scope: '' },
          { ...session, scope: 'write' },
          'write',
        ],
        ['what it asks for of that', { asked: ['read'] }, {}, session, 'read'],
        [
          'all that it may have, where its session has no scope',
          {},
          {},
          { ...session, scope: '' },
          'read write',
        ],
        ['nothing where upstream grants nothing of it', {}, { scope: 'admin' }, undefined, undefined],
        ['nothing where it may not have it', { asked: ['admin'] }, { scope: 'admin' }, undefined, undefined],
        [
          'scopes with one space between, however upstream writes them',
          {},
          { scope: ' read  write ' },
          undefined,
          'read write',
        ],
      ],
    )('gets %s', (_title, client, grant, of, scope) => {
      const issued = issue(client, grant, of);
      expect(issued?.token.scope).toBe(scope);
      expect(issued?.principal?.scopes.join(' ')).toBe(scope);
    });

    it('keeps to the session what it was granted at log-in, whatever it asks for now', () => {
      expect(issue({ asked: ['read'] }, {}, session)).toMatchObject({
        scope: 'read write',
        token: { scope: 'read' },
      });
      expect(issue({ asked: ['read'] })).toMatchObject({ scope: 'read', token: { scope: 'read' } });
    });

    it.each<[string, number, object]>([
      ['as long as the session may be left', 0, { expiresInSeconds: 600, refreshExpiresInSeconds: 1_000 }],
      ['no longer than the session may last', 9_500, { refreshExpiresInSeconds: 400 }],
      ['in whole seconds', 9_500.5, { refreshExpiresInSeconds: 399 }],
      ['not less than nothing', 10_000, { expiresInSeconds: 0, refreshExpiresInSeconds: 0 }],
    ])('its tokens live %s', (_title, passedSeconds, lives) => {
      nowSeconds += passedSeconds;
      expect(issue({}, {}, session)!.token).toMatchObject(lives);
    });

    it.each([
      [['read'], true],
      [['read', 'write'], true],
      [undefined, true],
      [['admin'], false],
      [['read', 'admin'], false],
    ])('asking for %j is covered by a session of "read write": %s', (asked, covered) => {
      expect(issuances.of({ ...portal, asked }).covers(session)).toBe(covered);
    });

    it.each<[string, Partial<AskingClient>, boolean]>([
      ['what it asks for', { asked: ['write', 'read'] }, true],
      ['less than it asks for', { asked: ['read', 'write', 'admin'] }, true],
      ['more than it asks for', { asked: ['read'] }, false],
      ['what it may have', {}, true],
      ['more than it may have now', { allowed: ['read'] }, false],
      ['more than it asks for, though it may have it', { allowed: ['read', 'write'], asked: [] }, false],
    ])('an answer with %s', (_title, client, takes) => {
      const answer = { accessToken: 'x', expiresInSeconds: 1, scope: 'read write' };
      expect(issuances.of({ ...portal, ...client }).takes(answer)).toBe(takes);
    });
  });
});
