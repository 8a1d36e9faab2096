// Writes the files that docker-compose.secrets.yml asks for, for a suite on the bundled server: `node test/containers/secrets.mjs folder`.
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generate } from 'selfsigned';

const [folder] = process.argv.slice(2);
const random = () => randomBytes(32).toString('hex');
const subject = (name) => [{ name: 'commonName', value: name }];
const ca = await generate(subject('Test authority'), {
  keySize: 2048,
  algorithm: 'sha256',
  extensions: [
    { name: 'basicConstraints', cA: true, critical: true },
    { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
  ],
});
const issue = (name) =>
  generate(subject(name), {
    keySize: 2048,
    algorithm: 'sha256',
    ca: { key: ca.private, cert: ca.cert },
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: name }] }],
  });
const [server, client] = [await issue('user-token'), await issue('client')];

const files = {
  'auth0-client-secret': 'venue-suite-local-secret',
  'redis-url': 'redis://redis:6379',
  'session-secrets': random(),
  'token-cache-secret': random(),
  'ca.pem': ca.cert,
  'client.pem': client.cert,
  'client.key': client.private,
  'user-token.pem': server.cert,
  'user-token.key': server.private,
};
mkdirSync(folder, { recursive: true });
// With the line break that editors leave at the end.
for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), `${content.trim()}\n`);
