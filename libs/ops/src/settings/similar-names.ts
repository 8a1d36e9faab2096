import type { Environment } from './setting-value.js';

export interface Misspelling {
  /** A variable that is set but not read. */
  readonly given: string;
  readonly meant: string;
}

const MAX_EDITS = 2;
/** Shorter ones have too many neighbours: only their case and underscores are overlooked. */
const MIN_LETTERS = 8;
const MAX_NAME_CHARS = 64;
const MAX_TOLD = 10;

/**
 * Variables that are set and almost equal to one that is read, such as `AUTH0_CLIENTID` and `REDIS_URI`. At most ten.
 *
 * @param known all names that are read
 */
export function misspellings(known: readonly string[], environment: Environment): readonly Misspelling[] {
  const read = new Set(known);
  const found: Misspelling[] = [];
  for (const [given, value] of Object.entries(environment)) {
    if (!value || read.has(given) || given.length > MAX_NAME_CHARS) continue;
    const meant = closest(given, known);
    if (meant !== undefined) found.push({ given, meant });
    if (found.length === MAX_TOLD) break;
  }
  return found;
}

function closest(given: string, known: readonly string[]): string | undefined {
  // Only secrets are read from files.
  const [, stem] = /^(.+)_FILE$/.exec(given) ?? [];
  if (stem !== undefined && known.includes(stem)) return stem;
  const letters = lettersOf(given);
  const edits = known.map((name) => ({ name, edits: editsWithin(letters, lettersOf(name)) }));
  return edits.filter((entry) => entry.edits <= MAX_EDITS).sort((a, b) => a.edits - b.edits)[0]?.name;
}

/** `"\ufeffPORT"`, `port` and `PO_RT` alike. */
function lettersOf(name: string): string {
  return name.toUpperCase().replace(/[^A-Z0-9]/g, '');
}

function editsWithin(given: string, known: string): number {
  if (given === known) return 0;
  if (known.length < MIN_LETTERS || Math.abs(given.length - known.length) > MAX_EDITS) return Infinity;
  return editsBetween(given, known);
}

/** Levenshtein's distance, row by row. */
function editsBetween(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const changed = above[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min(changed, above[column]! + 1, current[column - 1]! + 1));
    }
    above = current;
  }
  return above[b.length]!;
}
