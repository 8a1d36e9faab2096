import { getHeapStatistics } from 'node:v8';

const MIB = 1024 * 1024;
/** Upper bound of a denial's size in the copy. */
const DENIAL_BYTES = 200;
/** Memory of the rest of user-token under load (docs/operations.md). */
const SERVICE_BYTES = 160 * MIB;
const FEWEST = 100_000;
const MOST = 1_000_000;

/**
 * Number of denials that fit into the memory of this process.
 *
 * @param limitBytes of the container or of the heap: the lower one
 */
export function roomForDenials(limitBytes: number = memoryLimitBytes()): number {
  const room = Math.floor((limitBytes - SERVICE_BYTES) / DENIAL_BYTES);
  return Math.min(MOST, Math.max(FEWEST, room));
}

function memoryLimitBytes(): number {
  // Without a limit it is 0, or more than the machine has. V8 derives the heap's limit from it, but not below 256 MiB.
  const container = process.constrainedMemory() || Infinity;
  return Math.min(container, getHeapStatistics().heap_size_limit);
}
