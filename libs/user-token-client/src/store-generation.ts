const SEPARATOR = '/';

/** A generation of the store, as it stands under `GENERATION_KEY`. */
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

/** Whether a value of `GENERATION_KEY` was given to this server. A comparison of strings: it is asked for each lookup. */
export function isGenerationOf(
  value: string | null | undefined,
  serverId: string | undefined,
): value is string {
  return value != null && serverId !== undefined && value.startsWith(serverId + SEPARATOR);
}

/**
 * Since when a store has kept all first sights of opaque tokens, by what stands under `GENERATION_KEY`. Infinity where that is
 * not known: a generation of another server is of a store that knew more, and what is missing in this one may have been there.
 */
export function firstSightsSinceSeconds(
  value: string | null | undefined,
  serverId: string | undefined,
): number {
  const told = isGenerationOf(value, serverId) ? parseGeneration(value) : undefined;
  return told?.firstSightsSinceSeconds ?? Infinity;
}
