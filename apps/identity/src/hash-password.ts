/** Reads a password from stdin and prints its hash for the seed file. One line break at the end is not part of the password. */
import { text } from 'node:stream/consumers';
import { hashPassword } from './core/password-hash.js';

if (process.stdin.isTTY) process.stderr.write('Type the password, Enter, then Ctrl-D.\n');
const password = (await text(process.stdin)).replace(/\r?\n$/, '');
if (password === '') {
  process.stderr.write(
    "No password on stdin. Usage: printf %s 'the password' | node dist/hash-password.js\n",
  );
  process.exitCode = 1;
} else {
  process.stdout.write(`${await hashPassword(password)}\n`);
}
