// Starts one built application in this process: `node scripts/start.mjs venue`. Unless told otherwise it is a local
// one, with the defaults that are marked local in .env.example; the built files themselves never assume that.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import './env-file.mjs';

const [application] = process.argv.slice(2);
process.env.ENVIRONMENT ||= 'local';
await import(pathToFileURL(join(import.meta.dirname, '..', 'apps', application, 'dist', 'main.js')));
