import { hash } from 'node:crypto';
import { openStore, storePrefix, type SharedStore } from '@app/store';
import {
  credentialId,
  DENIAL_PREFIX,
  FORMER_NAMES,
  issuedTokenKey,
  sessionEntryKey,
  sessionKey,
  subjectKey,
  type GrantedToken,
} from '@app/contract';
import { ScriptedIssuer } from '@app/test-support/issuer/scripted-issuer';
import { paste, refusedCommands, rightsLines } from '@app/test-support/redis/redis-rights';
import { RedisServer } from '@app/test-support/redis/redis-server';
import { UseCases } from '@app/test-support/suite/use-cases';
import { PATIENT } from '@app/test-support/timing/patient';
import { until } from '@app/test-support/timing/until';
import { tokenId } from '../../core/tokens/token-id.js';
import { SealedBox } from './sealed-box.js';

const SUBJECT = 'auth0|ada';
const OF = subjectKey(SUBJECT);
const box = new SealedBox(['local-only-session-secret-change-me-000']);
const sha256 = (text: string) => hash('sha256', text, 'base64url');
const client = { clientId: 'portal', allowed: ['read:venues'] };

describe('what versions that put no prefix before names have written', () => {
  let issuer: ScriptedIssuer;
  let redis: RedisServer;
  let opened: { store: SharedStore; core: UseCases }[];
  let own: GrantedToken;
  let issued: GrantedToken;
  let ended: GrantedToken;

  beforeAll(async () => {
    issuer = await ScriptedIssuer.start();
    issuer.answers(() => issuer.grant({ sub: SUBJECT }));
  });

  afterAll(() => issuer.stop());

  beforeEach(async () => {
    opened = [];
    redis = await RedisServer.start();
    await write();
  });

  afterEach(async () => {
    for (const { store, core } of opened) {
      await core.close();
      await store.close();
    }
    const refused = await refusedCommands(redis);
    await redis.stop();
    expect(refused).toEqual([]);
  });

  /** A user-token of today on this Redis, with the rights of docs/operations.md. */
  async function start(environment = 'dev', settings = {}): Promise<UseCases> {
    const prefix = storePrefix({ environment, issuer: issuer.issuer });
    const urlOf = await paste(redis, await rightsLines(), environment);
    const store = openStore(urlOf('user-token'), { ...PATIENT, prefix, formerNames: FORMER_NAMES });
    await until(() => store.available && store.serverId !== undefined);
    const core = await UseCases.open(issuer, { store, settings });
    opened.push({ store, core });
    return core;
  }

  const set = (key: string, value: string) => redis.cli('SET', key, value, 'EX', '86400');

  /** Two sessions and a log-out, as a user-token of before would have left them. */
  async function write(): Promise<void> {
    const core = await UseCases.open(issuer);
    own = await core.loggedIn();
    issued = await core.loggedIn(client);
    ended = await core.loggedIn();
    const read = async (key: string) => (await core.store.getMany([key]))[0]!;
    for (const credential of [own.accessToken, issued.refreshToken!]) {
      const key = sessionKey(credentialId(credential));
      const content = box.open(credential, key, await read(key))!;
      const formerKey = `session:v2:${sha256(credential)}`;
      await set(formerKey, box.seal(credential, formerKey, content));
      const { id } = (JSON.parse(content) as { session: { id: string } }).session;
      const entryKey = sessionEntryKey(OF, id);
      const entry = JSON.parse(box.open(SUBJECT, entryKey, await read(entryKey))!) as object;
      const formerEntry = JSON.stringify({ ...entry, credentialId: sha256(credential) });
      await set(`session-entry:v1:${id}`, box.seal(SUBJECT, `session-entry:v1:${id}`, formerEntry));
      await redis.cli('ZADD', `sessions:v1:${OF}`, String(Date.now() + 86_400_000), id);
    }
    const token = issued.accessToken;
    const tokenKey = issuedTokenKey(OF, tokenId(token));
    const principal = box.open(token, tokenKey, await read(tokenKey))!;
    const formerKey = `issued:v1:${tokenId(token)}`;
    await set(formerKey, box.seal(token, formerKey, principal));
    await core.logOut.execute(ended.accessToken);
    for await (const { value } of core.store.scan(DENIAL_PREFIX))
      await set(`deny:v2:token:${tokenId(ended.accessToken)}`, value);
    await set(`epoch:v1:${OF}`, 'an-epoch-of-before');
    const info = await redis.cli('INFO');
    const [, runId] = /^run_id:(\w+)/m.exec(info)!;
    const [, history] = /^master_replid:(\w+)/m.exec(info)!;
    await set('generation:v1', `${runId}.${history}/of-before/0/0`);
    await core.close();
  }

  it('is a session that goes on, and nothing of it is left where it was once it was refreshed', async () => {
    const core = await start();
    expect(await core.isActive(own.accessToken)).toBe(true);
    const next = await core.refreshed(own.accessToken);
    expect((await core.refreshed(own.accessToken)).accessToken).toBe(next.accessToken);
    expect(await redis.cli('EXISTS', `session:v2:${sha256(own.accessToken)}`)).toBe('0');
    const other = await start();
    await other.refreshed(next.accessToken);
    await other.logOut.execute(own.accessToken);
    expect(await core.isActive(next.accessToken)).toBe(false);
    expect(await core.tryRefresh(next.accessToken)).toMatchObject({ granted: false });
    expect(issuer.revoked.length).toBeGreaterThan(0);
  });

  it("is a client's session, with both of its tokens", async () => {
    const core = await start();
    expect(await core.isActive(issued.accessToken)).toBe(true);
    const next = await core.refreshed(issued.refreshToken!, client);
    expect(await core.isActive(next.accessToken)).toBe(true);
    expect(await redis.cli('EXISTS', `session:v2:${sha256(issued.refreshToken!)}`)).toBe('0');
  });

  it.each([
    ['before it was refreshed', false],
    ['after', true],
  ])('is a session that its user finds in the list, and ends by its id: %s', async (_title, refresh) => {
    const core = await start();
    const fresh = await core.loggedIn();
    if (refresh) await core.refreshed(own.accessToken);
    const listed = await core.userSessions.list(fresh.accessToken);
    if (!('sessions' in listed)) throw new Error('it was not listed');
    expect(listed.sessions).toHaveLength(3);
    for (const { id, current } of listed.sessions)
      if (!current) await core.userSessions.end(fresh.accessToken, id);
    expect(await core.tryRefresh(own.accessToken)).toMatchObject({ granted: false });
    expect(await core.tryRefresh(issued.refreshToken!, client)).toMatchObject({ granted: false });
    expect(await redis.cli('--scan', '--pattern', 'session*:v*')).toBe('');
  });

  it('is a log-out that stays one: by Redis, without it, and once it has lost everything', async () => {
    const core = await start();
    expect(await core.isActive(ended.accessToken)).toBe(false);
    expect(await redis.cli('GET', 'generation:v1')).toBe('taken over');
    redis.freeze();
    expect(await core.isActive(ended.accessToken)).toBe(false);
    redis.thaw();
    await redis.cli('FLUSHALL');
    expect(await core.isActive(ended.accessToken)).toBe(false);
    await until(async () => (await redis.cli('--scan', '--pattern', 'dev:*:generation:v1')) !== '', 10_000);
    const fresh = await start();
    expect(await fresh.isActive(ended.accessToken)).toBe(false);
  });

  it('does not open with other SESSION_SECRETS, which is told, and not for each of them', async () => {
    const core = await start('dev', { SESSION_SECRETS: 'another-secret-of-at-least-32-characters' });
    for (let i = 0; i < 3; i += 1)
      expect(await core.tryRefresh(own.accessToken)).toMatchObject({ granted: false });
    expect(await core.isActive(issued.accessToken)).toBe(false);
    expect(core.logs.filter((line) => line.includes('none of SESSION_SECRETS'))).toHaveLength(1);
  });

  it('by a user-token of before that still runs, counts as well', async () => {
    const core = await start();
    const expiresAtSeconds = Math.floor(Date.now() / 1000) + 3600;
    const denial = { subjectKey: OF, tokenId: tokenId(own.accessToken), expiresAtSeconds };
    await set(`deny:v2:token:${denial.tokenId}`, JSON.stringify(denial));
    expect(await core.isActive(own.accessToken)).toBe(false);
  });

  it('is where guards of before look: they hear of log-outs, and find no epoch that is over', async () => {
    const core = await start();
    await core.logOut.execute(own.accessToken);
    expect(await redis.cli('GET', `epoch:v1:${OF}`)).not.toBe('an-epoch-of-before');
    expect(await redis.cli('EXISTS', `deny:v2:token:${tokenId(own.accessToken)}`)).toBe('1');
  });

  it("is not another environment's: with the same secrets it reads nothing of it, and writes nothing there", async () => {
    const dev = await start('dev');
    const int = await start('int');
    expect(await dev.isActive(issued.accessToken)).toBe(true);
    expect(await int.isActive(issued.accessToken)).toBe(false);
    expect(await int.tryRefresh(own.accessToken)).toMatchObject({ granted: false });
    const before = await redis.cli('GET', `epoch:v1:${OF}`);
    await int.revokeSubject.execute(SUBJECT);
    expect(await redis.cli('GET', `epoch:v1:${OF}`)).toBe(before);
    expect(await dev.isActive(own.accessToken)).toBe(true);
    expect(await dev.isActive(issued.accessToken)).toBe(true);
  });
});
