import type { JournalEntry } from '../ports/journal.js';

/** A garbled answer can be well-formed, and of any type. */
export function asValues(reply: unknown, count: number): (string | null)[] {
  if (Array.isArray(reply) && reply.length === count && reply.every(isValue)) return reply;
  throw notOfThatKind();
}

export function asNumber(reply: unknown): number {
  if (typeof reply === 'number') return reply;
  throw notOfThatKind();
}

export function asEntries(reply: unknown): JournalEntry[] {
  if (!Array.isArray(reply)) throw notOfThatKind();
  return reply.map((entry: { id?: unknown; message?: { value?: unknown } } | null) => {
    const id = entry?.id;
    const value = entry?.message?.value;
    if (typeof id !== 'string' || typeof value !== 'string') throw notOfThatKind();
    return { id, value };
  });
}

export function notOfThatKind(): TypeError {
  return new TypeError('the answer is not of the kind that was asked for');
}

function isValue(value: unknown): value is string | null {
  return value === null || typeof value === 'string';
}
