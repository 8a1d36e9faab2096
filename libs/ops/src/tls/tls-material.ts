import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { createSecureContext } from 'node:tls';

/** Certificates for mutual TLS, PEM. */
export interface TlsMaterial {
  /** Authorities trusted to sign the other side. */
  readonly ca: string;
  /** Our certificate, followed by its intermediate certificates. */
  readonly cert: string;
  readonly key: string;
}

/** What is given of {@link TlsMaterial}. */
export type TlsParts = { readonly [Part in keyof TlsMaterial]: string | undefined };

/** Our side of the connection. */
export type TlsRole = 'server' | 'client';

/** Extended key usages (RFC 5280 section 4.2.1.12). */
const PURPOSE = { server: '1.3.6.1.5.5.7.3.1', client: '1.3.6.1.5.5.7.3.2' };

/** The faults of the given parts, in words without their content. */
export function tlsProblems(prefix: string, { ca, cert, key }: TlsParts, role: TlsRole): readonly string[] {
  const nowMs = Date.now();
  if ((cert === undefined) !== (key === undefined))
    return [`${prefix}_CERT and ${prefix}_KEY must be set together (each also as *_FILE)`];
  const own = cert === undefined ? [] : certificatesIn(cert);
  const privateKey = key === undefined ? undefined : keyIn(key);
  const problems = [
    ...withName(
      `${prefix}_CA`,
      ca === undefined ? undefined : problemOfAuthorities(certificatesIn(ca), nowMs),
    ),
    ...withName(`${prefix}_CERT`, problemOfOwn(own, role, nowMs)),
    ...withName(`${prefix}_KEY`, typeof privateKey === 'string' ? privateKey : undefined),
  ];
  if (problems.length > 0 || typeof privateKey !== 'object' || typeof own === 'string') return problems;
  if (!own[0]?.checkPrivateKey(privateKey)) {
    const order = own.some((certificate) => certificate.checkPrivateKey(privateKey));
    return [
      `${prefix}_KEY does not fit ${prefix}_CERT${order ? ': the certificate of the key must come first there' : ''}`,
    ];
  }
  try {
    createSecureContext({ ca, cert, key });
    return [];
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    return [`${prefix}_CERT and ${prefix}_KEY are not taken by OpenSSL (${code})`];
  }
}

function withName(name: string, problem: string | undefined): readonly string[] {
  return problem === undefined ? [] : [`${name} ${problem}`];
}

function problemOfAuthorities(found: Certificates, nowMs: number): string | undefined {
  if (typeof found === 'string') return found;
  const stranger = found.find((certificate) => !certificate.ca && !isSelfIssued(certificate));
  if (stranger) return 'holds a certificate that is no authority: it may not sign certificates';
  const untimely = found.map((certificate) => untimeliness(certificate, nowMs));
  return untimely.every((problem) => problem !== undefined) ? untimely[0] : undefined;
}

function problemOfOwn(found: Certificates, role: TlsRole, nowMs: number): string | undefined {
  if (typeof found === 'string') return found;
  const [own] = found;
  const purposes = own?.keyUsage as readonly string[] | undefined;
  if (purposes && !purposes.includes(PURPOSE[role]))
    return `is not for a ${role}: its extended key usage lacks ${role}Auth`;
  return found
    .map((certificate) => untimeliness(certificate, nowMs))
    .find((problem) => problem !== undefined);
}

function isSelfIssued({ issuer, subject }: X509Certificate): boolean {
  return issuer === subject;
}

function untimeliness({ validFrom, validTo }: X509Certificate, nowMs: number): string | undefined {
  const now = new Date(nowMs).toISOString();
  if (Date.parse(validTo) < nowMs) return `expired on ${validTo} (it is ${now} here)`;
  if (Date.parse(validFrom) > nowMs) return `is not valid before ${validFrom} (it is ${now} here)`;
  return undefined;
}

/** The certificates, or the reason why there are none. */
type Certificates = readonly X509Certificate[] | string;

function certificatesIn(pem: string): Certificates {
  const blocks = blocksIn(pem);
  const labels = blocks.map(({ label }) => label);
  const other = labels.find((label) => !/CERTIFICATE$/.test(label));
  if (blocks.length === 0) return notPem(pem, 'CERTIFICATE');
  if (other !== undefined) return `holds a ${other}, where only certificates belong`;
  try {
    return blocks.map(({ text }) => new X509Certificate(text));
  } catch {
    return 'holds a certificate that cannot be read: is it cut, or changed?';
  }
}

function keyIn(pem: string): KeyObject | string {
  const blocks = blocksIn(pem);
  // OpenSSL writes the curve of an EC key before it.
  const [key, ...more] = blocks.filter(({ label }) => label !== 'EC PARAMETERS');
  if (!key) return notPem(pem, 'PRIVATE KEY');
  if (!/PRIVATE KEY$/.test(key.label) || more.length > 0)
    return `holds a ${[key, ...more].find(({ label }) => !/PRIVATE KEY$/.test(label))?.label ?? 'second key'}, where one private key belongs`;
  if (/ENCRYPTED/.test(key.text.slice(0, 200))) return 'is encrypted with a passphrase: decrypt it';
  try {
    return createPrivateKey(key.text);
  } catch {
    return 'holds a key that cannot be read: is it cut, or changed?';
  }
}

function blocksIn(pem: string): readonly { readonly label: string; readonly text: string }[] {
  const blocks = pem.matchAll(/-----BEGIN ([A-Z0-9 ]{1,40})-----[^]*?-----END \1-----/g);
  return Array.from(blocks, ([text, label]) => ({ text, label: label! }));
}

function notPem(text: string, label: string): string {
  const hint = /^(\.{0,2}\/|[a-z]:\\)\S+$/i.test(text)
    ? ': a path is given as *_FILE'
    : text.startsWith('LS0tLS1CRUdJTi')
      ? ': it is base64 of a PEM'
      : '';
  return `is no PEM with -----BEGIN ${label}-----${hint}`;
}
