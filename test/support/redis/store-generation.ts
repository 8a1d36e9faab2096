import { randomUUID } from 'node:crypto';
import type { SharedStore } from '@app/store';
import { formatGeneration, GENERATION_KEY, type StoreGeneration } from '@app/contract';
import { until } from '../timing/until.js';

/** Gives a store a generation, as user-token does once the store holds all known revocations. @returns its value */
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
