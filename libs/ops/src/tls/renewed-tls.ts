import { isDeepStrictEqual } from 'node:util';
import type { Environment } from '../settings/setting-value.js';
import { readSettings, SettingsError } from '../settings/settings.js';
import type { TlsMaterial } from './tls-material.js';
import type { TlsSettings } from './tls-settings.js';

export interface RenewedTlsOptions {
  readonly settings: TlsSettings;
  /** The material read at the start; undefined where there is none. */
  readonly material: TlsMaterial | undefined;
  /** The files to read from then on. */
  readonly environment: Environment;
  readonly log: { info(fields: object, text: string): void; error(fields: object, text: string): void };
  /** How often the files are read. Default 10,000 (10 s). */
  readonly readEveryMs?: number;
}

const READ_EVERY_MS = 10_000;

/**
 * TLS material that is read periodically, so that renewed certificates need no restart. Unusable files, and files of which only
 * some are new, change nothing.
 */
export class RenewedTls {
  private readonly timer: NodeJS.Timeout;
  private trouble: { readonly message: string; told: boolean } | undefined;
  private readonly listeners: ((material: TlsMaterial) => void)[] = [];

  private constructor(
    private readonly options: RenewedTlsOptions,
    private material: TlsMaterial,
  ) {
    // Read, not watched: a watcher misses a replaced folder, and Kubernetes replaces folders.
    this.timer = setInterval(() => this.readAgain(), options.readEveryMs ?? READ_EVERY_MS).unref();
  }

  /** @returns undefined where there is none */
  static open(options: RenewedTlsOptions): RenewedTls | undefined {
    return options.material && new RenewedTls(options, options.material);
  }

  get current(): TlsMaterial {
    return this.material;
  }

  /** Calls back with each new material. */
  onRenewal(listener: (material: TlsMaterial) => void): void {
    this.listeners.push(listener);
  }

  close(): void {
    clearInterval(this.timer);
  }

  private readAgain(): void {
    const { log, settings } = this.options;
    try {
      const material = settings.materialOf(readSettings(settings.definitions, this.options.environment));
      this.trouble = undefined;
      if (!material || isDeepStrictEqual(material, this.material)) return;
      this.material = material;
      for (const listener of this.listeners) listener(material);
      log.info({ settings: settings.prefix }, 'the TLS certificates have been read again');
    } catch (error) {
      // A changed file must never end a service.
      const problems = error instanceof SettingsError ? error.problems : ['they are not taken'];
      const message = problems.join('\n');
      // At first they may be half written.
      if (this.trouble?.message !== message) this.trouble = { message, told: false };
      else if (!this.trouble.told) {
        this.trouble.told = true;
        log.error(
          { settings: settings.prefix, problems },
          'the TLS certificates cannot be read again; those read before are kept',
        );
      }
    }
  }
}
