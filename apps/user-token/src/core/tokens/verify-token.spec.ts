import { MAX_TOKEN_LENGTH } from '@app/contract';
import { Operation, SteppedCore, type Replica } from '@app/test-support/core/stepped-core';
import { UpstreamUnavailable } from '../authorization-server.js';

describe('VerifyToken', () => {
  let core: SteppedCore;
  let replica: Replica;

  beforeEach(async () => {
    core = await SteppedCore.open({ level: 'debug' });
    [replica] = core.replicas;
  });

  afterEach(() => core.close());

  const refusals = () =>
    core.logs.map((line) => JSON.parse(line) as { reason?: string }).filter(({ reason }) => reason);

  it('tells whose token it is, under the epoch and the generation that the store had', async () => {
    const { accessToken } = await replica.loggedIn('ada');
    const verdict = await replica.verifyToken.execute(accessToken);
    expect(verdict).toEqual({
      active: true,
      principal: core.issuer.accessTokens.get(accessToken)!.principal,
      epoch: '',
      generation: expect.any(String),
    });
    await replica.logOut.execute((await replica.loggedIn('ada')).accessToken);
    expect(await replica.verifyToken.execute(accessToken)).toMatchObject({
      active: true,
      epoch: expect.stringMatching(/./),
    });
    expect(refusals()).toEqual([]);
  });

  it.each([
    ['has a space', 'not a token'],
    ['is too short to be one', 'short'],
    ['is longer than any', 'x'.repeat(MAX_TOKEN_LENGTH + 1)],
    ['is spelled in another way than its issuer does', 'eyJh.eyJh.AB'],
  ])('refuses what %s as malformed, without a question', async (_title, text) => {
    const verified = new Operation(() => replica.verifyToken.execute(text, 'request-7'));
    expect(await verified.outcome).toEqual({ value: { active: false, reason: 'malformed' } });
    expect(verified.calls).toEqual([]);
    expect(refusals()).toMatchObject([{ reason: 'malformed', requestId: 'request-7' }]);
  });

  it('passes on why a token was not accepted, and logs the detail of it', async () => {
    const { accessToken } = await replica.loggedIn('ada');
    core.issuer.verdicts.set(accessToken, { active: false, reason: 'wrong_audience', detail: 'it is for X' });
    const verified = new Operation(() => replica.verifyToken.execute(accessToken));
    expect(await verified.outcome).toEqual({ value: { active: false, reason: 'wrong_audience' } });
    expect(verified.calls).toEqual(['tokenCheck.check']);
    expect(refusals()).toMatchObject([{ reason: 'wrong_audience', detail: 'it is for X', alg: 'RS256' }]);
  });

  it('refuses what was revoked', async () => {
    const { accessToken } = await replica.loggedIn('ada');
    await core.replicas[1].logOut.execute(accessToken);
    expect(await replica.verifyToken.execute(accessToken)).toEqual({ active: false, reason: 'revoked' });
    expect(refusals()).toMatchObject([{ reason: 'revoked', alg: 'RS256' }]);
  });

  it('refuses a token of unknown age whose user was ever revoked', async () => {
    const { accessToken } = await replica.loggedIn('ada');
    await replica.revokeSubject.execute('auth0|ada');
    core.pass(60);
    const later = await replica.loggedIn('ada');
    const { principal } = core.issuer.accessTokens.get(later.accessToken)!;
    core.issuer.verdicts.set('opaque-token-ada', { active: true, principal, mayBeOlder: true });
    expect(await replica.isActive('opaque-token-ada')).toBe(false);
    core.issuer.verdicts.set('opaque-token-ada', { active: true, principal });
    expect(await replica.isActive('opaque-token-ada')).toBe(true);
    expect(await replica.isActive(accessToken)).toBe(false);
  });

  describe('asked for one token by several at once', () => {
    const check = { at: 'tokenCheck.check', side: 'after' } as const;

    it('checks it once, and looks for a denial once for each', async () => {
      const { accessToken } = await replica.loggedIn('ada');
      const first = new Operation(() => replica.verifyToken.execute(accessToken), check);
      await first.idle();
      const second = new Operation(() => replica.verifyToken.execute(accessToken));
      await second.idle();
      first.goOn();
      const outcomes = await Promise.all([first.outcome, second.outcome]);
      expect(outcomes).toMatchObject([{ value: { active: true } }, { value: { active: true } }]);
      expect(first.calls).toEqual(['tokenCheck.check', 'store.getMany']);
      expect(second.calls).toEqual(['store.getMany']);
    });

    it('sees a denial that is written while it is checked', async () => {
      const { accessToken } = await replica.loggedIn('ada');
      const verified = new Operation(() => replica.verifyToken.execute(accessToken), check);
      await verified.idle();
      await core.replicas[1].logOut.execute(accessToken);
      verified.goOn();
      expect(await verified.outcome).toEqual({ value: { active: false, reason: 'revoked' } });
    });

    it('checks it anew for the next, after a failure as after an answer', async () => {
      const { accessToken } = await replica.loggedIn('ada');
      core.issuer.verdicts.set(accessToken, new UpstreamUnavailable('no keys'));
      await expect(replica.verifyToken.execute(accessToken)).rejects.toThrow('no keys');
      core.issuer.verdicts.delete(accessToken);
      expect(await replica.isActive(accessToken)).toBe(true);
      core.issuer.verdicts.set(accessToken, { active: false, reason: 'expired' });
      expect(await replica.isActive(accessToken)).toBe(false);
    });
  });
});
