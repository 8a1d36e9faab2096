import { randomUUID } from 'node:crypto';
import type { SharedStore } from '@app/store';
import { formatGeneration, GENERATION_KEY, type StoreGeneration } from '@app/contract';
import { until } from '../timing/until.js';

/** Says of a store what user-token says once all that it knows to be revoked is in it. @returns what now stands there */
export async function giveGeneration(
  store: SharedStore,
  fields: Partial<StoreGeneration> = {},
): Promise<string> {
  await until(() => store.serverId !== undefined);
  const generation = formatGeneration({
    serverId: store.serverId!,
    id: randomUUID(),
    knownSinceSeconds: 0,
    firstSightsSinceSeconds: 0,
    ...fields,
  });
  await store.set(GENERATION_KEY, generation, { ttlMs: 24 * 3600 * 1000 });
  return generation;
}
