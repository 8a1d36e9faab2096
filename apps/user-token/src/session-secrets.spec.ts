import { openStore, type SharedStore } from '@app/store';
import type { GrantResult } from '@app/contract';
import { ScriptedIssuer } from '@app/test-support/issuer/scripted-issuer';
import { giveGeneration } from '@app/test-support/redis/store-generation';
import { UseCases } from '@app/test-support/suite/use-cases';

const OLD = 'old-session-secret-0123456789-0123456789';
const NEW = 'new-session-secret-0123456789-0123456789';

/** The procedure of docs/settings.md: replicas that share a store are restarted one after another. */
describe('SESSION_SECRETS that are renewed', () => {
  let issuer: ScriptedIssuer;
  let store: SharedStore;
  const replicas: UseCases[] = [];

  beforeAll(async () => {
    issuer = await ScriptedIssuer.start();
    store = openStore('memory:');
    await giveGeneration(store);
  });

  afterAll(async () => {
    await Promise.all(replicas.map((replica) => replica.close()));
    await issuer.stop();
  });

  async function replicaWith(...secrets: string[]): Promise<UseCases> {
    const replica = await UseCases.open(issuer, { store, settings: { SESSION_SECRETS: secrets.join(',') } });
    replicas.push(replica);
    return replica;
  }
  const tokenOf = (result: GrantResult) => (result.granted ? result.token.accessToken : undefined);

  it('keep every session, on every replica, in both rounds of restarts', async () => {
    const before = await replicaWith(OLD);
    const firstRound = await replicaWith(OLD, NEW);
    const secondRound = await replicaWith(NEW, OLD);

    let { accessToken } = await before.loggedIn();
    // A user's refreshes go to any replica that runs beside the others.
    for (const replica of [firstRound, before, firstRound, secondRound, firstRound, secondRound]) {
      const refreshed = tokenOf(await replica.tryRefresh(accessToken));
      expect(refreshed).toEqual(expect.any(String));
      accessToken = refreshed!;
    }
  });

  it('are a new log-in where the former is left out at once', async () => {
    const { accessToken } = await (await replicaWith(OLD)).loggedIn();
    expect(await (await replicaWith(NEW)).tryRefresh(accessToken)).toMatchObject({ granted: false });
  });
});
