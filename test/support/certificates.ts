import { generate } from 'selfsigned';
import type { TlsMaterial } from '@app/user-token-client';

/** An authority of a test's own, and certificates that it signs for localhost. */
export interface Authority {
  issue(name: string): Promise<TlsMaterial>;
}

export async function newAuthority(): Promise<Authority> {
  const ca = await generate([{ name: 'commonName', value: 'Test authority' }], {
    keySize: 2048,
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  });
  return {
    issue: async (name) => {
      const issued = await generate([{ name: 'commonName', value: name }], {
        keySize: 2048,
        algorithm: 'sha256',
        ca: { key: ca.private, cert: ca.cert },
        extensions: [
          { name: 'basicConstraints', cA: false },
          { name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] },
        ],
      });
      return { ca: ca.cert, cert: issued.cert, key: issued.private };
    },
  };
}
