/** A garbled answer can be well-formed, and of any type. */
export function asValues(reply: unknown, count: number): (string | null)[] {
  if (Array.isArray(reply) && reply.length === count && reply.every(isValue)) return reply;
  throw notOfThatKind();
}

export function asNumber(reply: unknown): number {
  if (typeof reply === 'number') return reply;
  throw notOfThatKind();
}

export function notOfThatKind(): TypeError {
  return new TypeError('the answer is not of the kind that was asked for');
}

function isValue(value: unknown): value is string | null {
  return value === null || typeof value === 'string';
}
