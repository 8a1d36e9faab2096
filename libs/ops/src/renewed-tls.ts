import { isDeepStrictEqual } from 'node:util';
import type { Environment } from './setting-value.js';
import { readSettings, SettingsError } from './settings.js';
import { tlsMaterialOf, tlsSettings, type TlsMaterial, type TlsRole } from './tls-material.js';

export interface RenewedTlsOptions {
  readonly prefix: string;
  readonly role: TlsRole;
  /** What was read at the start; undefined where there is none. */
  readonly material: TlsMaterial | undefined;
  /** Read from then on. */
  readonly environment: Environment;
  readonly log: { info(fields: object, text: string): void; error(fields: object, text: string): void };
  /** How often the files are read. Default 10,000 (10 s). */
  readonly readEveryMs?: number;
}

const READ_EVERY_MS = 10_000;

/**
 * TLS material that is read again and again, as certificates that are renewed need not a restart. Files that cannot be used, or of
 * which one is new already and one is not, change nothing.
 */
export class RenewedTls {
  private readonly timer: NodeJS.Timeout;
  private trouble: { readonly message: string; told: boolean } | undefined;
  private readonly listeners: ((material: TlsMaterial) => void)[] = [];

  private constructor(
    private readonly options: RenewedTlsOptions,
    private material: TlsMaterial,
  ) {
    // Read, not watched: a watcher does not tell of a folder that is replaced, as Kubernetes does.
    this.timer = setInterval(() => this.readAgain(), options.readEveryMs ?? READ_EVERY_MS).unref();
  }

  /** @returns undefined where there is none */
  static open(options: RenewedTlsOptions): RenewedTls | undefined {
    return options.material && new RenewedTls(options, options.material);
  }

  get current(): TlsMaterial {
    return this.material;
  }

  /** Calls back with each new one. */
  onRenewal(listener: (material: TlsMaterial) => void): void {
    this.listeners.push(listener);
  }

  close(): void {
    clearInterval(this.timer);
  }

  private readAgain(): void {
    const { log, prefix } = this.options;
    try {
      const material = read(this.options);
      this.trouble = undefined;
      if (!material || isDeepStrictEqual(material, this.material)) return;
      this.material = material;
      for (const listener of this.listeners) listener(material);
      log.info({ settings: prefix }, 'the TLS certificates have been read again');
    } catch (error) {
      // Whatever it is, a file that changes ends no service.
      const problems = error instanceof SettingsError ? error.problems : ['they are not taken'];
      const message = problems.join('\n');
      // At first they may just be being written.
      if (this.trouble?.message !== message) this.trouble = { message, told: false };
      else if (!this.trouble.told) {
        this.trouble.told = true;
        log.error(
          { settings: prefix, problems },
          'the TLS certificates cannot be read again; those read before are kept',
        );
      }
    }
  }
}

function read({ prefix, environment, role }: RenewedTlsOptions): TlsMaterial | undefined {
  return tlsMaterialOf(prefix, readSettings(tlsSettings(prefix, ''), environment), role);
}
