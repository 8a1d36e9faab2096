import { createPrivateKey } from 'node:crypto';
import { newAuthority, type Authority } from '@app/test-support/network/certificates';
import { readSettings, SettingsError } from '../settings/settings.js';
import type { TlsMaterial } from './tls-material.js';
import { TlsSettings } from './tls-settings.js';

const YESTERDAY = new Date(Date.now() - 86_400_000);
const LONG_AGO = new Date(Date.now() - 10 * 86_400_000);
const TOMORROW = new Date(Date.now() + 86_400_000);

/** Messages of a service with these settings. */
function problemsOf(
  { ca, cert, key }: Partial<TlsMaterial>,
  role: 'server' | 'client' = 'server',
): readonly string[] {
  const environment = { X_TLS_CA: ca, X_TLS_CERT: cert, X_TLS_KEY: key };
  try {
    const settings = new TlsSettings('X_TLS', role, 'the other side');
    settings.materialOf(readSettings(settings.definitions, environment));
    return [];
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    // No part of a key or a certificate.
    expect(error.message).not.toMatch(/[A-Za-z0-9+/]{60}/);
    return error.problems;
  }
}

describe('TLS material', () => {
  let authority: Authority;
  let good: TlsMaterial;
  let other: TlsMaterial;

  beforeAll(async () => {
    authority = await newAuthority();
    [good, other] = await Promise.all([authority.issue('a'), authority.issue('b')]);
  });

  it('is undefined where nothing is set, and the set values where they fit', () => {
    expect(new TlsSettings('X_TLS', 'server', 'clients').materialOf({})).toBeUndefined();
    expect(problemsOf(good)).toEqual([]);
    expect(problemsOf(good, 'client')).toEqual([]);
  });

  it.each<[string, (pem: string) => string]>([
    ['line breaks of Windows', (pem) => pem.replaceAll('\n', '\r\n')],
    ['\\n for its line breaks', (pem) => pem.trim().replace(/\r?\n/g, '\\n')],
    ['text around it', (pem) => `subject=CN = a\n${pem}\n# the end\n`],
  ])('is taken with %s', (_title, change) => {
    expect(problemsOf({ ca: change(good.ca), cert: change(good.cert), key: change(good.key) })).toEqual([]);
  });

  it('may hold several authorities, of which one has expired, and a chain', async () => {
    const expired = await newAuthority({ notBefore: LONG_AGO, notAfter: YESTERDAY });
    const { ca } = await expired.issue('c');
    expect(problemsOf({ ...good, ca: `${ca}\n${good.ca}`, cert: `${good.cert}\n${good.ca}` })).toEqual([]);
  });

  it.each<[string, () => Partial<TlsMaterial>, RegExp]>([
    [
      'is missing in part',
      () => ({ ca: good.ca, cert: good.cert }),
      /^X_TLS_CA, X_TLS_CERT, X_TLS_KEY must be set together .*: X_TLS_KEY is missing$/,
    ],
    ['is but one', () => ({ key: good.key }), /: X_TLS_CA and X_TLS_CERT is missing$/],
    [
      'has a key of another certificate',
      () => ({ ...good, key: other.key }),
      /^X_TLS_KEY does not fit X_TLS_CERT$/,
    ],
    [
      'has its certificate after another',
      () => ({ ...good, cert: `${other.cert}\n${good.cert}` }),
      /^X_TLS_KEY does not fit X_TLS_CERT: the certificate of the key must come first/,
    ],
    [
      'has key and certificate the wrong way round',
      () => ({ ...good, cert: good.key, key: good.cert }),
      /^X_TLS_CERT holds a PRIVATE KEY, where only certificates belong$/,
    ],
    [
      'has a certificate as its key',
      () => ({ ...good, key: good.cert }),
      /^X_TLS_KEY holds a CERTIFICATE, where one private key belongs$/,
    ],
    [
      'has a certificate that is cut',
      () => ({ ...good, cert: good.cert.replace(/\n.{20}/, '\n') }),
      /^X_TLS_CERT holds a certificate that cannot be read/,
    ],
    [
      'has a key that is cut',
      () => ({ ...good, key: good.key.replace(/\n.{20}/, '\n') }),
      /^X_TLS_KEY holds a key that cannot be read/,
    ],
    [
      'has a key with a passphrase',
      () => ({ ...good, key: encrypted(good.key) }),
      /^X_TLS_KEY is encrypted with a passphrase/,
    ],
    [
      'has a path for a value',
      () => ({ ...good, ca: '/run/secrets/ca.pem' }),
      /^X_TLS_CA is no PEM with -----BEGIN CERTIFICATE-----: a path is given as \*_FILE$/,
    ],
    [
      'is base64 of a PEM',
      () => ({ ...good, key: Buffer.from(good.key).toString('base64') }),
      /^X_TLS_KEY is no PEM .*: it is base64 of a PEM$/,
    ],
    [
      'is something else',
      () => ({ ...good, cert: 'canary' }),
      /^X_TLS_CERT is no PEM with -----BEGIN CERTIFICATE-----$/,
    ],
    [
      'trusts a certificate that is no authority',
      () => ({ ...good, ca: other.cert }),
      /^X_TLS_CA holds a certificate that is no authority/,
    ],
  ])('that %s is named', (_title, material, message) => {
    expect(problemsOf(material())[0]).toMatch(message);
  });

  it('that expired, or is not valid yet, is named with its time and ours', async () => {
    const [expired, early] = await Promise.all([
      authority.issue('a', { notBefore: LONG_AGO, notAfter: YESTERDAY }),
      authority.issue('a', { notBefore: TOMORROW }),
    ]);
    expect(problemsOf(expired)).toEqual([
      expect.stringMatching(/^X_TLS_CERT expired on .* \(it is \d{4}-.*Z here\)$/),
    ]);
    expect(problemsOf(early)).toEqual([
      expect.stringMatching(/^X_TLS_CERT is not valid before .* \(it is .* here\)$/),
    ]);
    const { ca } = await (await newAuthority({ notBefore: LONG_AGO, notAfter: YESTERDAY })).issue('a');
    expect(problemsOf({ ...good, ca })).toEqual([expect.stringMatching(/^X_TLS_CA expired on /)]);
  });

  it('that is only for the other side is named', async () => {
    const [server, client] = await Promise.all([
      authority.issue('a', { purpose: 'serverAuth' }),
      authority.issue('a', { purpose: 'clientAuth' }),
    ]);
    expect(problemsOf(server, 'server')).toEqual([]);
    expect(problemsOf(client, 'client')).toEqual([]);
    expect(problemsOf(server, 'client')).toEqual([
      expect.stringMatching(/^X_TLS_CERT is not for a client: .* lacks clientAuth$/),
    ]);
    expect(problemsOf(client, 'server')).toEqual([expect.stringMatching(/^X_TLS_CERT is not for a server/)]);
  });

  it('names the faults of all three', () => {
    expect(problemsOf({ ca: 'x', cert: 'y', key: 'z' })).toHaveLength(3);
  });
});

function encrypted(pem: string): string {
  const options = { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'canary' } as const;
  return createPrivateKey(pem).export(options).toString();
}
