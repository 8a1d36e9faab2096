import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { z } from 'zod';
import type { AccessLogMode } from '../logs/access-log.js';
import { printable } from '../logs/printable.js';
import { PUBLISHED_SECRETS } from './published-secrets.js';
import { readValue, SettingProblem, type Environment } from './setting-value.js';
import { misspellings, type Misspelling } from './similar-names.js';
import { StartError } from './start-error.js';

/** One environment variable. */
export interface Setting<T = unknown> {
  readonly schema: z.ZodType<T>;
  /** One line for `.env.example`: meaning and unit. */
  readonly doc: string;
  /** Value when unset, everywhere. */
  readonly default?: string | undefined;
  /** Value when unset and ENVIRONMENT is `local`; elsewhere the variable must then be set. `LOCAL_NAME` replaces it. */
  readonly localDefault?: string | undefined;
  /** Values that are public in this repository, alone or in a list: refused outside of ENVIRONMENT=local. */
  readonly localOnly?: readonly string[];
  /** May be given as `NAME_FILE`, and is never shown. */
  readonly secret?: boolean;
  /** May have line breaks, as PEM and JSON do. */
  readonly multiline?: boolean;
  /** Other names, read before its own. */
  readonly aliases?: readonly string[];
}

export type SettingsDefinition = Readonly<Record<string, Setting>>;

export type Settings<D extends SettingsDefinition> = {
  readonly [Name in keyof D]: D[Name] extends Setting<infer T> ? T : never;
};

/** Every wrong or missing variable, one line each. */
export class SettingsError extends StartError {
  constructor(readonly problems: readonly string[]) {
    super(`The configuration is not complete:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
    this.name = 'SettingsError';
  }
}

/** Keeps the type of each entry; the definition is a plain object. */
export function defineSettings<const D extends Record<string, Setting>>(definition: D): D {
  return definition;
}

/**
 * Reads and checks a service's variables once. An empty variable counts as unset. Where ENVIRONMENT is missing the process
 * must not start, because it decides which defaults are safe.
 *
 * @throws {SettingsError} listing every fault
 */
export function readSettings<D extends SettingsDefinition>(
  definition: D,
  environment: Environment,
): Settings<D> {
  const local = isLocal(environment);
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [name, setting] of Object.entries(definition)) {
    try {
      values[name] = readOne(name, setting, environment, local);
    } catch (error) {
      if (!(error instanceof SettingProblem)) throw error;
      problems.push(error.message);
    }
  }
  if (problems.length === 0) return Object.freeze(values) as Settings<D>;
  const hints = unreadVariables(definition, environment).map(
    ({ given, meant }) => `${printable(given)} is set and not read: is ${meant} meant?`,
  );
  throw new SettingsError([...problems, ...hints]);
}

/** Reports variables that are set and not read, with a name that almost equals one of the definition. */
export function warnOfUnread(
  definition: SettingsDefinition,
  environment: Environment,
  log: { warn(fields: object, text: string): void },
): void {
  for (const { given, meant } of unreadVariables(definition, environment))
    log.warn({ variable: printable(given), meant }, 'a variable is set, but this service does not read it');
}

function unreadVariables(definition: SettingsDefinition, environment: Environment): readonly Misspelling[] {
  const known = Object.entries(definition).flatMap(([name, { secret, localDefault, aliases = [] }]) => [
    name,
    ...aliases,
    ...(secret ? [`${name}_FILE`] : []),
    ...(localDefault === undefined ? [] : [`LOCAL_${name}`]),
  ]);
  return misspellings(known, environment);
}

function isLocal(environment: Environment): boolean {
  try {
    return readValue('ENVIRONMENT', {}, environment) === 'local';
  } catch {
    return false;
  }
}

function readOne(name: string, setting: Setting, environment: Environment, local: boolean): unknown {
  const given = readGiven(name, setting, environment);
  const raw = given ?? (local ? localDefaultOf(name, setting, environment) : undefined) ?? setting.default;
  const parsed = setting.schema.safeParse(raw);
  if (!parsed.success) {
    if (raw === undefined) throw new SettingProblem(`${name} is missing: ${setting.doc}`);
    const shown = setting.secret ? '' : ` (is "${withoutPassword(raw).slice(0, 80)}")`;
    throw new SettingProblem(
      `${name} ${parsed.error.issues.map((issue) => issue.message).join(', ')}${shown}`,
    );
  }
  if (!local && isLocalOnly(raw, setting)) {
    throw new SettingProblem(
      `${name} is one for local work, published with this project: outside of ENVIRONMENT=local set one of your own`,
    );
  }
  if (!local && parsed.data instanceof URL && isPlainHttp(parsed.data)) {
    throw new SettingProblem(`${name} must be an https URL outside of ENVIRONMENT=local`);
  }
  return parsed.data;
}

function readGiven(name: string, setting: Setting, environment: Environment): string | undefined {
  const alias = setting.aliases?.find((other) => environment[other]);
  return readValue(
    name,
    setting,
    alias === undefined ? environment : { ...environment, [name]: environment[alias] },
  );
}

/** A deployment of several containers has other local addresses than one of several processes. */
function localDefaultOf(
  name: string,
  { localDefault }: Setting,
  environment: Environment,
): string | undefined {
  return localDefault === undefined
    ? undefined
    : (readValue(`LOCAL_${name}`, {}, environment) ?? localDefault);
}

/** A secret must not be a published one of another name either. */
function isLocalOnly(raw: string | undefined, { localOnly = [], secret }: Setting): boolean {
  const published = secret ? [...localOnly, ...Object.values(PUBLISHED_SECRETS)] : localOnly;
  const given = raw?.split(',').map((entry) => entry.trim()) ?? [];
  return given.some((entry) => published.includes(entry));
}

function withoutPassword(raw: string): string {
  return raw.replace(/\/\/[^/@]*@/g, '//...@');
}

function isPlainHttp(url: URL): boolean {
  return url.protocol === 'http:' && !['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
}

/** Name of the deployment; `local` allows embedded defaults, plain http and readable logs. */
export const environmentSetting: Setting<string> = {
  schema: z.string().regex(/^[a-z][a-z0-9-]{0,30}$/, 'must be a name such as local, dev, int or prod'),
  doc: 'name of the deployment; "local" allows the defaults marked local',
};

export const logLevelSetting: Setting<LogLevel> = {
  schema: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], {
    message: 'must be fatal, error, warn, info, debug, trace or silent',
  }),
  doc: 'least severe level that is logged',
  default: 'info',
};

export type LogLevel = 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent';

/** For a service that answers HTTP. */
export const accessLogSetting: Setting<AccessLogMode> = {
  schema: z.enum(['all', 'refused', 'off'], { message: 'must be all, refused or off' }),
  doc: 'HTTP requests with a log line: all, refused (status 400 or more), or off (none)',
  default: 'all',
};

/** TCP port; 0 lets the system choose. */
export function port(): z.ZodType<number> {
  return wholeNumber(0, 65_535);
}

/** Whole number within bounds. */
export function wholeNumber(min: number, max: number): z.ZodType<number> {
  const message = `must be a whole number from ${min} to ${max}`;
  return z
    .string(message)
    .regex(/^\d+$/, message)
    .transform(Number)
    .refine((value) => value >= min && value <= max, message);
}

/** Not blank, or as `expected` says. */
export function text(pattern: RegExp = /\S/, expected = 'must not be blank'): z.ZodType<string> {
  return z.string(expected).regex(pattern, expected);
}

/** Characters of client_id and client_secret in RFC 6749 appendix A (`VSCHAR`). */
export function visibleAscii(): z.ZodType<string> {
  return text(/^[\x20-\x7e]+$/, 'must be printable ASCII characters (RFC 6749 appendix A)');
}

/** `scope` of RFC 6749 section 3.3. */
export function scope(): z.ZodType<string> {
  const token = '[\\x21\\x23-\\x5b\\x5d-\\x7e]+';
  return text(
    new RegExp(`^${token}(?: ${token})*$`),
    'must be scopes separated by single spaces (RFC 6749 section 3.3)',
  );
}

/** Address to listen on: an IP address, in brackets or not, a name, or `*` for all addresses of this machine. */
export function host(): z.ZodType<string> {
  const message =
    'must be an address or a name without a port, such as 127.0.0.1 or ::, or * for all addresses';
  return z
    .string(message)
    .transform((value) => (value === '*' ? allAddresses() : value.replace(/^\[(.*)\]$/, '$1')))
    .refine((value) => isIP(value) !== 0 || isHostName(value), message);
}

/** IPv6 and IPv4, as far as this machine has them. */
function allAddresses(): string {
  const interfaces = Object.values(networkInterfaces());
  return interfaces.some((addresses) => addresses?.some(({ family }) => family === 'IPv6'))
    ? '::'
    : '0.0.0.0';
}

/** A name of only digits and dots would be an invalid address, which some resolvers still interpret. */
function isHostName(value: string): boolean {
  return /^(?!-)[\w-]{1,63}(\.[\w-]{1,63})*\.?$/.test(value) && !/^[\d.]+$/.test(value);
}

/** Comma-separated, blanks around the entries dropped, at least one entry. */
export function list(): z.ZodType<readonly string[]> {
  const message = 'must be a comma-separated list';
  return z
    .string(message)
    .transform((value) =>
      value
        .split(',')
        .map((entry) => entry.trim())
        .filter(Boolean),
    )
    .refine((entries) => entries.length > 0, message);
}

/** A secret of at least this many characters; the default is the hex length of 128 random bits. */
export function secret(minLength = 32): z.ZodType<string> {
  const message = `must have at least ${minLength} characters`;
  return z.string(message).min(minLength, message);
}

/** Comma-separated secrets, each as {@link secret}. */
export function secretList(minLength = 32): z.ZodType<readonly string[]> {
  const message = `must be comma-separated secrets of at least ${minLength} characters each`;
  return list().refine((entries) => entries.every((entry) => entry.length >= minLength), message);
}

/**
 * Issuer identifier as Auth0 writes it: https, with a trailing slash, no query or fragment (OpenID Connect Discovery section 3).
 * Plain http passes for loopback hosts and in ENVIRONMENT=local.
 */
export function issuerUrl(): z.ZodType<URL> {
  const message = 'must be an https URL that ends in "/", such as https://acme-dev.auth0.com/';
  return z
    .string(message)
    .refine((value) => URL.canParse(value) && /^https?:\/\/[^?#@\s]+\/$/.test(value), message)
    .transform((value) => new URL(value));
}

/** Settings of every service: name of the deployment, log level, listeners, draining. */
export function serviceSettings({ port: httpPort, opsPort }: { port: number; opsPort: number }) {
  return defineSettings({
    ENVIRONMENT: environmentSetting,
    LOG_LEVEL: logLevelSetting,
    HOST: { schema: host(), doc: 'address to listen on', default: '*', localDefault: '127.0.0.1' },
    PORT: { schema: port(), doc: 'port to listen on', default: String(httpPort) },
    OPS_HOST: {
      schema: host(),
      doc: 'address of the health listener',
      default: '*',
      localDefault: '127.0.0.1',
    },
    OPS_PORT: { schema: port(), doc: 'port of the health listener', default: String(opsPort) },
    DRAIN_DELAY_MS: {
      schema: wholeNumber(0, 60_000),
      doc: 'time between "not ready" and closing the listener at a stop, in ms',
      default: '0',
    },
  });
}
