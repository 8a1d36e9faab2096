import { mkdtempSync, renameSync, symlinkSync, writeFileSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newAuthority } from '@app/test-support/network/certificates';
import { until } from '@app/test-support/timing/until';
import { RenewedTls } from './renewed-tls.js';
import { readSettings } from '../settings/settings.js';
import type { TlsMaterial } from './tls-material.js';
import { TlsSettings } from './tls-settings.js';

describe('TLS material that is renewed', () => {
  /** A folder that changes like a Kubernetes secret: a link is replaced. */
  class SecretFolder {
    readonly path = mkdtempSync(join(tmpdir(), 'tls-'));
    private version = 0;

    put(files: Partial<TlsMaterial>): void {
      const folder = join(this.path, String((this.version += 1)));
      mkdirSync(folder);
      for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
      symlinkSync(folder, join(this.path, 'next'));
      renameSync(join(this.path, 'next'), join(this.path, 'data'));
    }

    get environment() {
      const file = (name: string) => join(this.path, 'data', name);
      return { X_CA_FILE: file('ca'), X_CERT_FILE: file('cert'), X_KEY_FILE: file('key') };
    }
  }

  const settings = new TlsSettings('X', 'server', 'clients');
  const materialOf = ({ environment }: SecretFolder) =>
    settings.materialOf(readSettings(settings.definitions, environment));

  it('is used once it fits together, and logged', async () => {
    const authority = await newAuthority();
    const [first, second] = await Promise.all([authority.issue('a'), authority.issue('a')]);
    const folder = new SecretFolder();
    folder.put(first);
    const lines: string[] = [];
    const renewals: TlsMaterial[] = [];
    const log = {
      info: (fields: object, text: string) => lines.push(`info ${text} ${JSON.stringify(fields)}`),
      error: (fields: object, text: string) => lines.push(`error ${text} ${JSON.stringify(fields)}`),
    };
    const renewed = RenewedTls.open({
      settings,
      material: materialOf(folder),
      environment: folder.environment,
      log,
      readEveryMs: 10,
    })!;
    renewed.onRenewal((material) => renewals.push(material));
    try {
      expect(renewed.current.cert).toBe(first.cert.trim());

      folder.put({ ...second, key: first.key });
      await until(() => lines.some((line) => line.includes('X_KEY does not fit X_CERT')));
      folder.put({ ca: second.ca });
      await until(() => lines.some((line) => line.includes('X_CERT_FILE names a file that cannot be read')));
      expect(renewed.current.cert).toBe(first.cert.trim());
      expect(renewals).toEqual([]);

      folder.put(second);
      await until(() => renewals.length > 0);
      expect(renewed.current.cert).toBe(second.cert.trim());
      expect(renewals).toEqual([renewed.current]);
      expect(lines.map((line) => line.split(' ')[0])).toEqual(['error', 'error', 'info']);
    } finally {
      renewed.close();
    }
  });

  it('is read once at the start: a change right after that is a renewal, and is not lost', async () => {
    const authority = await newAuthority();
    const [first, second] = await Promise.all([authority.issue('a'), authority.issue('a')]);
    const folder = new SecretFolder();
    folder.put(first);
    const material = materialOf(folder);
    folder.put(second);
    const log = { info: () => undefined, error: () => undefined };
    const { environment } = folder;
    const renewed = RenewedTls.open({
      settings,
      material,
      environment,
      log,
      readEveryMs: 10,
    })!;
    const renewals: TlsMaterial[] = [];
    renewed.onRenewal((next) => renewals.push(next));
    try {
      expect(renewed.current).toBe(material);
      await until(() => renewals.length > 0);
      expect(renewed.current.cert).toBe(second.cert.trim());
    } finally {
      renewed.close();
    }
  });

  it('is undefined where nothing is set', () => {
    const log = { info: () => undefined, error: () => undefined };
    const options = { settings, environment: {}, log };
    expect(RenewedTls.open({ ...options, material: undefined })).toBeUndefined();
  });
});
