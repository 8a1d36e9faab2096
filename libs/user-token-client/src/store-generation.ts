/**
 * Where user-token says that all it knows to be revoked is in the store. Redis can come back older than it was: restarted from a
 * snapshot, flushed, or replaced by a copy. Then this value is missing, or names another server, until user-token has written
 * back what it knows and given the store a new generation. An entry that is cached in Redis is sealed under the generation
 * that it was written in, and counts in no other.
 */
export const GENERATION_KEY = 'generation:v1';

const SEPARATOR = '/';

/** A generation as it is stored. */
export interface StoreGeneration {
  /** `SharedStore.serverId` of the server that it was given to. */
  readonly serverId: string;
  /** Tells it from all others of this server. */
  readonly id: string;
  /** Whether a token was revoked is known if it was issued in this second or later; before, what was lost is not known. */
  readonly knownSinceSeconds: number;
  /** Since when the store has kept the first sights of opaque tokens. */
  readonly firstSightsSinceSeconds: number;
}

export function formatGeneration(generation: StoreGeneration): string {
  const { serverId, id, knownSinceSeconds, firstSightsSinceSeconds } = generation;
  return [serverId, id, knownSinceSeconds, firstSightsSinceSeconds].join(SEPARATOR);
}

/** @returns undefined for what is no generation */
export function parseGeneration(value: string | null | undefined): StoreGeneration | undefined {
  const match = /^([^/]+)\/([^/]+)\/(\d+)\/(\d+)$/.exec(value ?? '');
  if (!match) return undefined;
  const [, serverId = '', id = '', knownSince, firstSightsSince] = match;
  return {
    serverId,
    id,
    knownSinceSeconds: Number(knownSince),
    firstSightsSinceSeconds: Number(firstSightsSince),
  };
}

/** Whether a value of {@link GENERATION_KEY} was given to this server. A comparison of strings: it is asked for each lookup. */
export function isGenerationOf(
  value: string | null | undefined,
  serverId: string | undefined,
): value is string {
  return value != null && serverId !== undefined && value.startsWith(serverId + SEPARATOR);
}

/**
 * Since when a store has kept all first sights of opaque tokens, by what stands under {@link GENERATION_KEY}. Infinity where that is
 * not known: a generation of another server is of a store that knew more, and what is missing in this one may have been there.
 */
export function firstSightsSinceSeconds(
  value: string | null | undefined,
  serverId: string | undefined,
): number {
  const told = isGenerationOf(value, serverId) ? parseGeneration(value) : undefined;
  return told?.firstSightsSinceSeconds ?? Infinity;
}
