import { describeError, isError } from './describe-error.js';

const CENSOR = '[redacted]';

/** Names in lower case, without separators of words. */
const SECRET_NAME =
  /password|passwd|secret|(?:token|authorization|cookie|credential|passphrase|apikey|privatekey|assertion|codeverifier)s?$/;

/** Fields that hold an error, whatever was thrown. */
const ERROR_FIELDS = new Set(['err', 'error']);

/** Deeper than any intended log field. */
const MAX_DEPTH = 16;

/** Names come from code, but may also come from input. */
const MAX_KNOWN_NAMES = 2_000;
const knownNames = new Map<string, boolean>();

/** Whether this is the name of a secret, however its words are joined: `refresh_token`, `Client-Secret`, `setCookie`. */
export function isSecretName(name: string): boolean {
  let secret = knownNames.get(name);
  if (secret === undefined) {
    secret = SECRET_NAME.test(name.toLowerCase().replace(/[^a-z]/g, ''));
    if (knownNames.size < MAX_KNOWN_NAMES) knownNames.set(name, secret);
  }
  return secret;
}

/**
 * The fields of a log line as in JSON, without any value that has the name of a secret, at any depth; headers as lists or as pairs
 * included. Errors are described, wherever they are.
 */
export function redacted(fields: object): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  for (const name of Object.keys(fields)) {
    const value = read(fields, name);
    if (isSecretName(name)) set(copy, name, censored(value));
    else set(copy, name, ERROR_FIELDS.has(name) ? describeError(value) : copyOf(value, [fields]));
  }
  return copy;
}

/** An argument of a message, e.g. for its `%o`. */
export function redactedValue(value: unknown): unknown {
  return copyOf(value, []);
}

function copyOf(value: unknown, within: readonly object[]): unknown {
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'object' || value === null) return value;
  if (isError(value)) return describeError(value);
  if (within.includes(value)) return '[Circular]';
  if (within.length >= MAX_DEPTH) return '[too deep]';
  const inside = [...within, value];
  if (Array.isArray(value)) return copyOfList(value, inside);
  const toJson = read(value, 'toJSON');
  if (typeof toJson === 'function') return copyOf(jsonOf(value, toJson), inside);
  return copyOfFields(value, inside);
}

function copyOfFields(value: object, inside: readonly object[]): object {
  // For example a header in a list.
  const named = read(value, 'name') ?? read(value, 'key');
  const holdsSecret = typeof named === 'string' && isSecretName(named);
  const copy: Record<string, unknown> = {};
  for (const name of Object.keys(value)) {
    const entry = read(value, name);
    const secret = isSecretName(name) || (holdsSecret && name === 'value');
    set(copy, name, secret ? censored(entry) : copyOf(entry, inside));
  }
  return copy;
}

function set(copy: Record<string, unknown>, name: string, value: unknown): void {
  if (name === '__proto__') Object.defineProperty(copy, name, { value, enumerable: true });
  else copy[name] = value;
}

/** Headers may come as a list of pairs, or as a list of alternating names and values. */
function copyOfList(list: readonly unknown[], inside: readonly object[]): unknown[] {
  const mayBePairs = list.length % 2 === 0;
  return list.map((entry, index) => {
    const before = mayBePairs && index % 2 === 1 ? list[index - 1] : undefined;
    return typeof before === 'string' && isSecretName(before) ? censored(entry) : copyOf(entry, inside);
  });
}

function censored(value: unknown): unknown {
  return value === undefined ? undefined : CENSOR;
}

/** A foreign getter may throw, and no log line is worth an exception. */
function read(object: object, name: string): unknown {
  try {
    return (object as Record<string, unknown>)[name];
  } catch {
    return '[unreadable]';
  }
}

// eslint-disable-next-line @typescript-eslint/no-unsafe-function-type -- it is others' own.
function jsonOf(value: object, toJson: Function): unknown {
  try {
    return Reflect.apply(toJson, value, []);
  } catch {
    return '[unreadable]';
  }
}
