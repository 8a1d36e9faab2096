import { getHeapStatistics } from 'node:v8';

const MIB = 1024 * 1024;
/** What a denial in the copy takes at the most. */
const DENIAL_BYTES = 200;
/** What user-token takes besides, under load (docs/operations.md). */
const SERVICE_BYTES = 160 * MIB;
const FEWEST = 100_000;
const MOST = 1_000_000;

/**
 * How many denials a process may keep without being ended for its memory.
 *
 * @param limitBytes of the container or of the heap, whichever is less
 */
export function roomForDenials(limitBytes: number = memoryLimitBytes()): number {
  const room = Math.floor((limitBytes - SERVICE_BYTES) / DENIAL_BYTES);
  return Math.min(MOST, Math.max(FEWEST, room));
}

function memoryLimitBytes(): number {
  // 0, or more than there is, where there is no limit. V8 goes by it for the heap, but not below 256 MiB.
  const container = process.constrainedMemory() || Infinity;
  return Math.min(container, getHeapStatistics().heap_size_limit);
}
