import { jest } from '@jest/globals';
import { MAX_TOKEN_LENGTH } from '@app/contract';
import { PORTAL } from '@app/test-support/core/interleavings';
import { Operation, SteppedCore, type Replica } from '@app/test-support/core/stepped-core';
import { UpstreamUnavailable, type UpstreamGrant } from '../authorization-server.js';
import { Busy } from '../busy.js';
import { MAX_SESSIONS } from '../sessions/sessions.js';
import type { RefusedToken } from '../tokens/token-check.js';

const ADA = 'auth0|ada';

describe('LogIn', () => {
  let core: SteppedCore;
  let replica: Replica;

  beforeEach(async () => {
    core = await SteppedCore.open({ level: 'debug' });
    [replica] = core.replicas;
  });

  afterEach(() => core.close());

  /** Changes the next grant. */
  const grants = (change: (grant: UpstreamGrant) => Partial<UpstreamGrant> | void) =>
    core.issuer.answersNext.push((usual) => (usual.granted ? { ...usual, ...(change(usual) ?? {}) } : usual));
  const finds = (verdict: RefusedToken) =>
    grants(({ accessToken }) => void core.issuer.verdicts.set(accessToken, verdict));
  const inForce = () => core.issuer.inForce(ADA);
  const logged = () => core.logs.map((line) => (JSON.parse(line) as { msg: string }).msg);

  it('tells upstream who logs in, and remembers from where', async () => {
    const grantPassword = jest.spyOn(core.issuer, 'grantPassword');
    const credentials = { username: 'ada', password: 'x', realm: 'staff', clientAddress: '192.0.2.1' };
    const device = { userAgent: 'Spec/1', address: '192.0.2.1' };
    await replica.logIn.execute(credentials, replica.issuances.of(undefined), device);
    expect(grantPassword.mock.calls).toEqual([[credentials]]);
    expect(await replica.sessions.entriesOf(ADA)).toMatchObject([
      { device, startedAtSeconds: core.nowMs / 1000, usedAtSeconds: core.nowMs / 1000 },
    ]);
  });

  it('where upstream gives no refresh token gives access that is not refreshed', async () => {
    grants(() => ({ refreshToken: undefined }));
    const { accessToken } = await replica.loggedIn('ada');
    expect(await replica.isActive(accessToken)).toBe(true);
    expect(await replica.tryRefresh(accessToken)).toEqual({ granted: false, error: 'invalid_grant' });
    expect(await replica.isActive(accessToken)).toBe(true);
  });

  it('has less time left where it took longer', async () => {
    const logIn = new Operation(() => replica.loggedIn('ada'), { at: 'tokenCheck.check', side: 'after' });
    await logIn.idle();
    core.pass(10);
    logIn.goOn();
    expect(await logIn.outcome).toMatchObject({ value: { expiresInSeconds: 3_590 } });
  });

  describe('that is refused upstream', () => {
    const refusesWith = (refusal: object) =>
      core.issuer.answersNext.push(() => ({ granted: false, error: 'invalid_grant', ...refusal }));

    it('tells what upstream lets the user know, and not what it says of the password', async () => {
      refusesWith({ error: 'access_denied', description: 'Only on weekdays', passwordWas: 'untold' });
      expect(await replica.tryLogIn('ada')).toEqual({
        granted: false,
        error: 'access_denied',
        description: 'Only on weekdays',
      });
    });

    it.each([undefined, PORTAL])('for lack of a second factor seals what goes on with it', async (client) => {
      refusesWith({ error: 'mfa_required', mfaToken: 'upstream-mfa-token', passwordWas: 'right' });
      const result = await replica.tryLogIn('ada', client);
      expect(result).toEqual({ granted: false, error: 'mfa_required', mfaHandle: expect.any(String) });
      expect(JSON.stringify(result)).not.toContain('upstream-mfa-token');
      const { mfaHandle } = result as { mfaHandle: string };
      expect(replica.mfaHandles.open(mfaHandle)).toEqual({
        mfaToken: 'upstream-mfa-token',
        username: 'ada',
        clientId: client?.clientId,
      });
    });
  });

  describe('whose access token does not verify here', () => {
    it.each<[RefusedToken, string]>([
      [{ active: false, reason: 'wrong_audience', detail: 'it is for X' }, 'it is for X'],
      [{ active: false, reason: 'not_yet_valid' }, 'not_yet_valid'],
    ])('503, and the refresh token is given back: %j', async (verdict, why) => {
      finds(verdict);
      await expect(replica.tryLogIn('ada')).rejects.toEqual(
        new UpstreamUnavailable(
          `the authorization server issued an access token that does not verify here: ${why}`,
        ),
      );
      expect(core.issuer.refreshTokens.size).toBe(1);
      expect(inForce()).toEqual([]);
    });

    it('because of its subject is refused as for a blocked user', async () => {
      finds({ active: false, reason: 'invalid_subject' });
      expect(await replica.tryLogIn('ada')).toEqual({ granted: false, error: 'invalid_grant' });
      expect(inForce()).toEqual([]);
    });

    it('because it is too long tells an operator what to do', async () => {
      const accessToken = 'x'.repeat(MAX_TOKEN_LENGTH + 1);
      grants(() => ({ accessToken }));
      core.issuer.verdicts.set(accessToken, { active: false, reason: 'malformed' });
      await expect(replica.tryLogIn('ada')).rejects.toMatchObject({
        message: expect.stringContaining('give its user fewer permissions'),
        retryAfterSeconds: 60,
      });
      expect(inForce()).toEqual([]);
    });
  });

  it('of a client that may have nothing of what was granted is refused, and given back', async () => {
    expect(await replica.tryLogIn('ada', { ...PORTAL, asked: ['admin'] })).toEqual({
      granted: false,
      error: 'invalid_scope',
    });
    expect(inForce()).toEqual([]);
    expect(await replica.sessions.entriesOf(ADA)).toEqual([]);
  });

  it('that cannot be given back is logged, and its outcome is the same', async () => {
    jest.spyOn(core.issuer, 'revoke').mockRejectedValueOnce(new Error('no answer'));
    expect(await replica.tryLogIn('ada', { ...PORTAL, asked: ['admin'] })).toMatchObject({ granted: false });
    expect(logged()).toEqual(['a refresh token that no session has could not be revoked upstream']);
  });

  it('that gives back nothing where upstream gave no refresh token', async () => {
    const revoke = jest.spyOn(core.issuer, 'revoke');
    grants(() => ({ refreshToken: undefined }));
    expect(await replica.tryLogIn('ada', { ...PORTAL, asked: ['admin'] })).toMatchObject({ granted: false });
    expect(revoke).not.toHaveBeenCalled();
  });

  describe('while all of the user is revoked', () => {
    const revokesWithNext = () =>
      core.issuer.answersNext.push((usual) => {
        // Written before any client sees the answer.
        revoking.push(core.replicas[1].revokeSubject.execute(ADA));
        return usual;
      });
    let revoking: Promise<void>[];

    beforeEach(() => {
      revoking = [];
    });

    it.each([
      [1, 2],
      [2, 3],
    ])('%i times is asked %i times, and gives a session in the end', async (times, asked) => {
      for (let i = 0; i < times; i += 1) revokesWithNext();
      const { accessToken } = await replica.loggedIn('ada');
      await Promise.all(revoking);
      expect(core.issuer.refreshTokens.size).toBe(asked);
      expect(await replica.isActive(accessToken)).toBe(true);
      expect(inForce()).toHaveLength(1);
    });

    it('each time: 503, and nothing is left in force', async () => {
      for (let i = 0; i < 3; i += 1) revokesWithNext();
      await expect(replica.tryLogIn('ada')).rejects.toEqual(
        new Busy('the access of this user is being revoked at this moment'),
      );
      await Promise.all(revoking);
      expect(core.issuer.refreshTokens.size).toBe(3);
      expect(inForce()).toEqual([]);
    });
  });

  describe('whose session cannot be completed', () => {
    /** The first log-in after a log-out everywhere has to be admitted. */
    beforeEach(() => replica.revokeSubject.execute(ADA));

    it('ends it and fails: no client gets the token', async () => {
      core.refuseNext('writeAll');
      await expect(replica.tryLogIn('ada')).rejects.toMatchObject({ code: 'store_unavailable' });
      expect(await replica.sessions.entriesOf(ADA)).toEqual([]);
      expect(inForce()).toEqual([]);
    });

    it('fails for the same reason where it cannot be ended either', async () => {
      core.refuseNext('writeAll', 2);
      await expect(replica.tryLogIn('ada')).rejects.toMatchObject({ code: 'store_unavailable' });
      expect(await replica.sessions.entriesOf(ADA)).toHaveLength(1);
      expect(inForce()).toEqual([]);
    });
  });

  it('ends other sessions where a user has too many, never the new one, though our clock has gone back', async () => {
    for (let i = 0; i < MAX_SESSIONS; i += 1) await replica.loggedIn('ada');
    core.pass(-60);
    const { accessToken } = await replica.loggedIn('ada');
    expect(await replica.isActive(accessToken)).toBe(true);
    expect(await replica.tryRefresh(accessToken)).toMatchObject({ granted: true });
  });
});
