import { parseArgs } from 'node:util';
import { authSettings } from '@app/auth-settings';
import { redisSettings, storeOptions } from '@app/store-settings';
import { defineSettings, environmentSetting, readSettings, StartError, SettingsError } from '@app/ops';
import { bundledClients, clientSchema, type ClientRecord } from './adapters/client-document.js';
import { ClientFile } from './adapters/client-file.js';
import type { ClientRecords } from './adapters/client-records.js';
import { IN_STORE, ofClients } from './adapters/open-client-registry.js';
import { StoreClientRecords } from './adapters/store-client-records.js';
import { clientSecretsSetting, clientsSetting } from './config.js';
import { hashClientSecret, newClientSecret } from './core/client.js';
import { awaitInForce } from './gateways-in-force.js';

const USAGE = `Usage:
  npm run client -- list
  npm run client -- add <client_id> --grants password,refresh_token --scope 'read:venues' [--expires-in-days <days>]
  npm run client -- disable <client_id>
  npm run client -- enable <client_id>
  npm run client -- rotate <client_id> [--keep-hours <hours that the former secrets stay good, default 24>]

--wait <URL of a gateway's ops listener, e.g. http://127.0.0.1:9000>, once for each gateway: ends when it is in force there,
after 15 seconds with an error.

GATEWAY_CLIENTS says which clients: the path of a YAML file, or redis: for those in REDIS_URL.
Unset: ${bundledClients}, for local work`;

const options = {
  grants: { type: 'string' },
  scope: { type: 'string' },
  'expires-in-days': { type: 'string' },
  'keep-hours': { type: 'string' },
  wait: { type: 'string', multiple: true },
  help: { type: 'boolean', short: 'h' },
} as const;

const WAIT_MS = 15_000;

class UsageError extends Error {}

/** The parts of a process that a command uses. */
export interface CommandProcess {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
}

/** @returns the exit code */
export async function runClientCommand(args: readonly string[], process: CommandProcess): Promise<number> {
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
    if (values.help) process.stdout.write(`${USAGE}\n`);
    else await run(commandOf(positionals, values), (values.wait ?? []).map(opsListener), process);
    return 0;
  } catch (error) {
    process.stderr.write(`${explain(error)}\n`);
    return 1;
  }
}

interface Values {
  readonly grants?: string | undefined;
  readonly scope?: string | undefined;
  readonly 'expires-in-days'?: string | undefined;
  readonly 'keep-hours'?: string | undefined;
}

type Command = (clients: ClientRecords) => Promise<string>;

/** @throws {UsageError} before any opening, which could need more settings */
function commandOf([name, clientId, ...rest]: readonly string[], values: Values): Command {
  if (name === 'list' && clientId === undefined) return async (clients) => table(await clients.list());
  if (clientId === undefined || rest.length > 0) throw new UsageError(USAGE);
  switch (name) {
    case 'add':
      return (clients) => add(clients, clientId, values);
    case 'disable':
    case 'enable':
      return (clients) => enable(clients, clientId, name === 'enable');
    case 'rotate': {
      const keepHours = wholeNumber(values['keep-hours'] ?? '24', '--keep-hours');
      return (clients) => rotate(clients, clientId, keepHours);
    }
    default:
      throw new UsageError(USAGE);
  }
}

async function run(
  command: Command,
  gateways: readonly URL[],
  { env, stdout }: CommandProcess,
): Promise<void> {
  const clients = await openClients(env);
  try {
    // Before waiting: a secret is shown once, whatever happens next.
    stdout.write(`${await command(clients)}\n`);
    if (gateways.length === 0) return;
    await waitFor(gateways, clients);
    stdout.write('It is in force.\n');
  } finally {
    await clients.close();
  }
}

function known(found: ClientRecord | undefined, clientId: string): ClientRecord {
  if (found) return found;
  throw new UsageError(`There is no client ${clientId}: list shows all.`);
}

async function add(clients: ClientRecords, clientId: string, values: Values): Promise<string> {
  const days = values['expires-in-days'];
  const secret = newClientSecret();
  const parsed = clientSchema.safeParse({
    client_id: clientId,
    enabled: true,
    grant_types: (values.grants ?? '').split(',').filter(Boolean),
    scope: values.scope ?? '',
    secrets: [
      {
        hash: hashClientSecret(secret),
        created_at: new Date().toISOString(),
        ...(days !== undefined && { expires_at: inHours(24 * wholeNumber(days, '--expires-in-days')) }),
      },
    ],
  });
  const { data: record, error } = parsed;
  if (error) {
    const problems = error.issues.map(({ path, message }) => `  ${path.join('.')}: ${message}`);
    throw new UsageError(`This is no client:\n${problems.join('\n')}`);
  }
  await clients.change(clientId, (found) => {
    if (!found) return record;
    throw new UsageError(`There is a client ${clientId} already: rotate gives it a new secret.`);
  });
  return `${shownOnce(clientId, secret)}\n${clients.inForceWhen}`;
}

async function enable(clients: ClientRecords, clientId: string, enabled: boolean): Promise<string> {
  await clients.change(clientId, (found) => ({ ...known(found, clientId), enabled }));
  return `${clientId} is ${enabled ? 'enabled' : 'disabled'}. ${clients.inForceWhen}`;
}

async function rotate(clients: ClientRecords, clientId: string, keepHours: number): Promise<string> {
  const secret = newClientSecret();
  const until = inHours(keepHours);
  const created = { hash: hashClientSecret(secret), created_at: new Date().toISOString() };
  await clients.change(clientId, (found) => {
    const client = known(found, clientId);
    const former = client.secrets
      .filter(({ expires_at: end }) => end === undefined || Date.parse(end) > Date.now())
      .map((kept) => ({ ...kept, expires_at: earlier(kept.expires_at, until) }));
    return { ...client, secrets: keepHours === 0 ? [created] : [...former, created] };
  });
  const end = keepHours === 0 ? 'are refused from then on' : `are good until ${until}`;
  return `${shownOnce(clientId, secret)}\n${clients.inForceWhen}\nIts former secrets ${end}.`;
}

/** @throws {UsageError} naming the gateways that do not use the current clients */
async function waitFor(gateways: readonly URL[], clients: ClientRecords): Promise<void> {
  const others = await awaitInForce(gateways, () => clients.inForceAs(), WAIT_MS);
  if (others.length === 0) return;
  const wanted = await clients.inForceAs();
  throw new UsageError(`It is not in force yet, which would be ${wanted}:\n${others.join('\n')}`);
}

function opsListener(text: string): URL {
  if (/^https?:/.test(text) && URL.canParse(text)) return new URL(text);
  throw new UsageError("--wait must be the URL of a gateway's ops listener, such as http://127.0.0.1:9000.");
}

function shownOnce(clientId: string, secret: string): string {
  return `client_id:     ${clientId}\nclient_secret: ${secret}\nThis secret is shown once; only its hash is stored.`;
}

function table(clients: readonly ClientRecord[]): string {
  if (clients.length === 0) return 'There are no clients.';
  return clients
    .map(({ client_id: id, enabled, grant_types: grants, scope, secrets }) => {
      const ends = secrets.map(({ expires_at: end }) =>
        end === undefined ? 'does not expire' : `until ${end}`,
      );
      return `${id}  ${enabled ? 'enabled' : 'disabled'}  ${grants.join(',')}  "${scope}"  secrets: ${ends.join('; ') || 'none'}`;
    })
    .join('\n');
}

async function openClients(environment: CommandProcess['env']): Promise<ClientRecords> {
  const { AUTH0_ISSUER_URL, TOKEN_CACHE_SECRET } = authSettings;
  const location = readSettings(
    defineSettings({ GATEWAY_CLIENTS: clientsSetting }),
    environment,
  ).GATEWAY_CLIENTS;
  if (location === undefined && !['local', undefined].includes(environment['ENVIRONMENT'])) {
    throw new StartError(
      'GATEWAY_CLIENTS is not set, so this gateway has no clients: name a YAML file, or redis:.',
    );
  }
  if (location !== IN_STORE) return new ClientFile(location ?? bundledClients);
  const store = { ENVIRONMENT: environmentSetting, AUTH0_ISSUER_URL, ...redisSettings };
  const { CLIENT_SECRETS, ...settings } = readSettings(
    defineSettings({ ...store, CLIENT_SECRETS: clientSecretsSetting }),
    environment,
  );
  const secrets = CLIENT_SECRETS ?? [
    readSettings(defineSettings({ TOKEN_CACHE_SECRET }), environment).TOKEN_CACHE_SECRET,
  ];
  const options = { ...storeOptions(settings), ...ofClients };
  return StoreClientRecords.open(settings.REDIS_URL, secrets, options);
}

function wholeNumber(value: string, option: string): number {
  if (!/^\d{1,5}$/.test(value)) throw new UsageError(`${option} must be a whole number.`);
  return Number(value);
}

function inHours(hours: number): string {
  return new Date(Date.now() + hours * 3_600_000).toISOString();
}

function earlier(a: string | undefined, b: string): string {
  return a !== undefined && Date.parse(a) < Date.parse(b) ? a : b;
}

function explain(error: unknown): string {
  if (error instanceof UsageError || error instanceof StartError || error instanceof SettingsError)
    return error.message;
  // parseArgs explains wrong arguments, and the store its absence.
  return error instanceof Error ? error.message : 'The command failed.';
}
