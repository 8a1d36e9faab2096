import { z } from 'zod';
import { SettingsError, type Setting } from '../settings/settings.js';
import { tlsProblems, type TlsMaterial, type TlsParts, type TlsRole } from './tls-material.js';

type Name<P extends string> = `${P}_${'CA' | 'CERT' | 'KEY'}`;

/** The settings `<prefix>_CA`, `_CERT` and `_KEY`: the certificates for one kind of connections. None is required by itself. */
export class TlsSettings<const P extends string = string> {
  /** For the settings of a service, in that order. */
  readonly definitions: Readonly<Record<Name<P>, Setting<string | undefined>>>;

  /**
   * @param role our side of the connections
   * @param otherSide in words
   */
  constructor(
    readonly prefix: P,
    private readonly role: TlsRole,
    otherSide: string,
  ) {
    this.definitions = {
      [`${prefix}_CA`]: pem(`mutual TLS: PEM of the authority that signs ${otherSide}`),
      [`${prefix}_CERT`]: pem('mutual TLS: PEM of our certificate'),
      [`${prefix}_KEY`]: pem('mutual TLS: PEM of our key'),
    } as Record<Name<P>, Setting<string | undefined>>;
  }

  /**
   * What is set, for connections that need not be mutual.
   *
   * @throws {SettingsError} naming each that is unusable or does not fit the others
   */
  partsOf(settings: Readonly<Record<string, unknown>>): TlsParts {
    const [ca, cert, key] = this.names.map((name) => settings[name] as string | undefined);
    const parts = { ca, cert, key };
    const problems = tlsProblems(this.prefix, parts, this.role);
    if (problems.length > 0) throw new SettingsError(problems);
    return parts;
  }

  /**
   * All three, for mutual TLS.
   *
   * @returns undefined when none is set
   * @throws {SettingsError} naming each that is missing, unusable or does not fit the others
   */
  materialOf(settings: Readonly<Record<string, unknown>>): TlsMaterial | undefined {
    const { names } = this;
    const missing = names.filter((name) => settings[name] === undefined);
    if (missing.length === names.length) return undefined;
    if (missing.length > 0) {
      throw new SettingsError([
        `${names.join(', ')} must be set together (each also as *_FILE): ${missing.join(' and ')} is missing`,
      ]);
    }
    return this.partsOf(settings) as TlsMaterial;
  }

  private get names(): readonly string[] {
    return Object.keys(this.definitions);
  }
}

function pem(doc: string): Setting<string | undefined> {
  return {
    // Where variables cannot have line breaks, these are often written as \n.
    schema: z
      .string()
      .transform((value) => value.replaceAll('\\n', '\n'))
      .optional(),
    doc,
    secret: true,
    multiline: true,
  };
}
