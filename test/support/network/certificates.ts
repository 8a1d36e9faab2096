import { generate } from 'selfsigned';
import type { TlsMaterial } from '@app/user-token-client';

export interface CertificateOptions {
  /** Default: now. */
  readonly notBefore?: Date;
  /** Default: a year later. */
  readonly notAfter?: Date;
  /** Default: localhost. */
  readonly hostName?: string;
  /** Extended key usage; default: none, and so any. */
  readonly purpose?: 'serverAuth' | 'clientAuth';
}

/** A test's own authority, and the certificates that it signs. */
export interface Authority {
  issue(name: string, options?: CertificateOptions): Promise<TlsMaterial>;
}

export async function newAuthority({ notBefore, notAfter }: CertificateOptions = {}): Promise<Authority> {
  const ca = await generate([{ name: 'commonName', value: 'Test authority' }], {
    ...validity(notBefore, notAfter),
    keySize: 2048,
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  });
  return {
    issue: async (name, { hostName = 'localhost', purpose, ...dates } = {}) => {
      const issued = await generate([{ name: 'commonName', value: name }], {
        ...validity(dates.notBefore, dates.notAfter),
        keySize: 2048,
        algorithm: 'sha256',
        ca: { key: ca.private, cert: ca.cert },
        extensions: [
          { name: 'basicConstraints', cA: false },
          { name: 'subjectAltName', altNames: [{ type: 2, value: hostName }] },
          ...(purpose === undefined ? [] : [{ name: 'extKeyUsage' as const, [purpose]: true }]),
        ],
      });
      return { ca: ca.cert, cert: issued.cert, key: issued.private };
    },
  };
}

function validity(notBefore: Date | undefined, notAfter: Date | undefined) {
  return { ...(notBefore && { notBeforeDate: notBefore }), ...(notAfter && { notAfterDate: notAfter }) };
}
