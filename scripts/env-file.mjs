// Reads variables from `.env` in the project's folder, or from the file that ENV_FILE names, before anything reads them.
// What is set already stays. The built files themselves never do this: a container gets its variables from outside.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv, TextDecoder } from 'node:util';

const named = process.env.ENV_FILE;
const file = named || join(import.meta.dirname, '..', '.env');

/** Node takes what follows for a comment, Compose for a part of the value. */
const HASH_WITHIN = /^\s*(?:export\s+)?(\w+)[ \t]*=[ \t]*[^\s"'`#][^\n#]*(?<!\s)#/m;
/** A quoted value may take several lines. */
const QUOTED = /=[ \t]*(["'`])[^]*?\1/g;
/** Neither blank, nor a comment, nor a variable: Node leaves it out without a word. */
const NO_VARIABLE = /^(?![ \t\r]*(?:#|$|(?:export\s+)?[\w.-]+[ \t]*=))/m;

try {
  for (const [name, value] of Object.entries(parseEnv(read(file)))) process.env[plain(name)] ??= value;
} catch (error) {
  if (named || error.code !== 'ENOENT') {
    process.stderr.write(`The variables in ${file} cannot be read: ${error.message}\n`);
    process.exit(1);
  }
}

/** Node takes a line of spaces before a variable for a part of its name, and then leaves `export` in it. */
function plain(name) {
  return name.trim().replace(/^export\s+/, '');
}

function read(path) {
  try {
    // A byte order mark, which editors begin a file with, is taken off.
    return unambiguous(new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path)));
  } catch (error) {
    throw error instanceof TypeError ? new Error('save it as UTF-8') : error;
  }
}

function unambiguous(text) {
  const [, name] = HASH_WITHIN.exec(text) ?? [];
  if (name !== undefined) throw new Error(`the value of ${name} has a "#": put single quotes around it`);
  if (/\r(?!\n)/.test(text)) throw new Error('end its lines with LF or CR LF');
  const withoutValues = text.replace(QUOTED, (value) => value.replace(/[^=\n]/g, ' '));
  const at = withoutValues.search(NO_VARIABLE);
  if (at >= 0) throw new Error(`line ${text.slice(0, at).split('\n').length} is not of the form NAME=value`);
  return text;
}
