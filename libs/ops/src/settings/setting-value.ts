import { readFileSync, statSync, type Stats } from 'node:fs';
import { printable } from '../logs/printable.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/** The fault of one variable; holds no part of a secret. */
export class SettingProblem extends Error {}

export interface ValueForm {
  /** May be given as `NAME_FILE`. */
  readonly secret?: boolean;
  /** May have line breaks, as PEM and JSON do. */
  readonly multiline?: boolean;
}

/** Larger than a bundle of a hundred certificates. */
const MAX_FILE_BYTES = 1024 * 1024;

/**
 * A variable, or the content of the file in `NAME_FILE`, without the line breaks that editors and `echo` leave at its end, and
 * without blanks around it unless it is a secret. Empty counts as not set.
 *
 * @throws {SettingProblem} if both are set, the file cannot be read, or the value can only be a mistake
 */
export function readValue(name: string, form: ValueForm, environment: Environment): string | undefined {
  const value = withoutEnds(environment[name] ?? '');
  const file = form.secret ? withoutEnds(environment[`${name}_FILE`] ?? '') : '';
  if (file === '') return value === '' ? undefined : checked(name, value, form);
  if (value !== '') throw new SettingProblem(`${name} and ${name}_FILE are both set: set one of them`);
  const content = withoutEnds(readText(`${name}_FILE`, file));
  if (content === '') throw new SettingProblem(`${name}_FILE names an empty file${shownPath(file)}`);
  return checked(`${name}_FILE`, content, form);
}

function withoutEnds(text: string): string {
  return text.replace(/^\ufeff/, '').replace(/[\r\n]+$/, '');
}

/** Controls, invisible characters, and the replacement of bytes that are not UTF-8. */
const CANNOT_BELONG = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\ufffd]/u;
const CANNOT_BELONG_IN_LINES = /[^\P{Cc}\t\r\n]|[\p{Cf}\p{Zl}\p{Zp}\ufffd]/u;
const QUOTED = /^(["'`])[^]*\1$|^[“”„«][^]*[“”»]$|^[‘’‚‹][^]*[‘’›]$/;

function checked(where: string, text: string, { secret, multiline }: ValueForm): string {
  // A blank could be part of a secret, so it is not removed silently.
  const value = secret && !multiline ? text : text.trim();
  const stranger = (multiline ? CANNOT_BELONG_IN_LINES : CANNOT_BELONG).exec(value);
  if (stranger) {
    const code = stranger[0].codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0');
    throw new SettingProblem(
      `${where} holds a character that cannot belong there: U+${code}${NAMES[code] ?? ''}, after ${stranger.index} others`,
    );
  }
  if (value.length > 1 && QUOTED.test(value)) {
    throw new SettingProblem(
      `${where} has quotes around its value, which would count as part of it: take them off`,
    );
  }
  if (value !== value.trim()) throw new SettingProblem(`${where} begins or ends with a blank: take it off`);
  return value;
}

const NAMES: Readonly<Record<string, string>> = {
  '0000': ' (is it UTF-16? It must be UTF-8)',
  '0009': ' (a tab)',
  '000A': ' (a line break)',
  '000D': ' (a line break)',
  '200B': ' (a blank without width)',
  FEFF: ' (a byte order mark)',
  FFFD: ' (it stands for bytes that are not UTF-8)',
};

function readText(variable: string, file: string): string {
  const where = shownPath(file);
  let bytes: Buffer;
  try {
    const stats = statSync(file);
    if (!stats.isFile()) throw new SettingProblem(`${variable} names ${kindOf(stats)}, not a file${where}`);
    if (stats.size > MAX_FILE_BYTES)
      throw new SettingProblem(`${variable} names a file of more than ${MAX_FILE_BYTES} bytes${where}`);
    bytes = readFileSync(file);
  } catch (error) {
    if (error instanceof SettingProblem) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw new SettingProblem(
      `${variable} names a file that cannot be read: ${REASONS[code ?? ''] ?? code ?? 'unknown error'}${where}`,
    );
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    const utf16 = /^(fffe|feff)/.test(bytes.toString('hex', 0, 2)) ? ' but UTF-16' : '';
    throw new SettingProblem(`${variable} names a file that is not UTF-8${utf16}: save it as UTF-8${where}`);
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is none',
  ENOTDIR: 'there is none',
  EACCES: 'this user has no right to',
  EPERM: 'this user has no right to',
  ELOOP: 'its links lead in a circle',
};

function kindOf(stats: Stats): string {
  if (stats.isDirectory()) return 'a folder';
  if (stats.isFIFO()) return 'a pipe';
  return stats.isSocket() ? 'a socket' : 'a device';
}

/** A user who confuses `NAME_FILE` with `NAME` puts the secret itself there. */
function shownPath(file: string): string {
  return /^(\.{0,2}\/|[a-z]:\\)/i.test(file) ? ` (${printable(file.slice(0, 200))})` : ' (no absolute path)';
}
