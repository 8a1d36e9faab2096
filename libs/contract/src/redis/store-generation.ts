const SEPARATOR = '/';

/** A generation of the store, the value of `GENERATION_KEY`. */
export interface StoreGeneration {
  /** `ServerFacts.serverId` of its store. */
  readonly serverId: string;
  /** Unique among the generations of this server. */
  readonly id: string;
  /** Revocations are known for tokens issued in this second or later; earlier ones may be lost. */
  readonly knownSinceSeconds: number;
  /** Start of the record of first sights of opaque tokens. */
  readonly firstSightsSinceSeconds: number;
}

export function formatGeneration(generation: StoreGeneration): string {
  const { serverId, id, knownSinceSeconds, firstSightsSinceSeconds } = generation;
  return [serverId, id, knownSinceSeconds, firstSightsSinceSeconds].join(SEPARATOR);
}

/** @returns undefined for a value that is no generation */
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

/** Whether a value of `GENERATION_KEY` belongs to this server. Only compares strings, because each lookup calls it. */
export function isGenerationOf(
  value: string | null | undefined,
  serverId: string | undefined,
): value is string {
  return value != null && serverId !== undefined && value.startsWith(serverId + SEPARATOR);
}

/**
 * Start of a store's complete record of first sights of opaque tokens, by the value of `GENERATION_KEY`. Infinity where it is not
 * known: another server's generation belongs to a store that knew more, and may have held what is missing in this one.
 */
export function firstSightsSinceSeconds(
  value: string | null | undefined,
  serverId: string | undefined,
): number {
  const told = isGenerationOf(value, serverId) ? parseGeneration(value) : undefined;
  return told?.firstSightsSinceSeconds ?? Infinity;
}
