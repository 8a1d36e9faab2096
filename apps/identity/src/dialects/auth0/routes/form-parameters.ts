import { isUtf8 } from 'node:buffer';

/** A request parameter that is not one string. The message names the parameter, never its value. */
export class ParameterError extends Error {
  override readonly name = 'ParameterError';
}

/**
 * Picks the named parameters out of a parsed form or JSON body; others are ignored (RFC 6749 section 3.2).
 *
 * @throws ParameterError for a parameter given twice or as anything but a string
 */
export function formParameters(body: unknown, names: readonly string[]): URLSearchParams {
  const form = new URLSearchParams();
  if (body === undefined || body === null) return form;
  if (typeof body !== 'object' || Array.isArray(body)) {
    throw new ParameterError('The body must be a form or a JSON object.');
  }
  for (const name of names) {
    const value: unknown = Object.hasOwn(body, name) ? (body as Record<string, unknown>)[name] : undefined;
    if (value === undefined) continue;
    if (typeof value !== 'string')
      throw new ParameterError(`Parameter ${name} must be given once, as a string.`);
    form.append(name, value);
  }
  return form;
}

/**
 * A parser replaces bytes that are not UTF-8 by U+FFFD, which would make a different password.
 *
 * @throws ParameterError
 */
export function assertUtf8(form: Buffer): void {
  try {
    decodeURIComponent(form.toString());
  } catch {
    throw new ParameterError('The form must be percent-encoded UTF-8.');
  }
  if (!isUtf8(form)) throw new ParameterError('The form must be UTF-8.');
}
