import { parseArgs } from 'node:util';
import { authSettings } from '@app/auth/settings';
import { defineSettings, environmentSetting, readSettings, StartError, SettingsError } from '@app/ops';
import { openStore } from '@app/redis';
import {
  bundledClients,
  ClientDocument,
  clientSchema,
  type ClientRecord,
} from './adapters/client-document.js';
import { StoreClientRegistry } from './adapters/store-client-registry.js';
import { clientsSetting } from './config.js';
import { hashClientSecret, newClientSecret } from './core/client.js';

const USAGE = `Usage:
  npm run client -- list
  npm run client -- add <client_id> --grants password,refresh_token --scope 'read:venues' [--expires-in-days <days>]
  npm run client -- disable <client_id>
  npm run client -- enable <client_id>
  npm run client -- rotate <client_id> [--keep-hours <hours that the former secrets stay good, default 24>]

GATEWAY_CLIENTS says which clients: the path of a YAML file, or redis: for those in REDIS_URL.
Unset: ${bundledClients}`;

/** Where clients are kept, as this command needs it. */
interface Registry {
  list(): Promise<readonly ClientRecord[]>;
  put(record: ClientRecord): Promise<void>;
  close(): Promise<void>;
}

const options = {
  grants: { type: 'string' },
  scope: { type: 'string' },
  'expires-in-days': { type: 'string' },
  'keep-hours': { type: 'string' },
} as const;

class UsageError extends Error {}

try {
  const registry = await openRegistry();
  try {
    process.stdout.write(`${await run(registry, process.argv.slice(2))}\n`);
  } finally {
    await registry.close();
  }
} catch (error) {
  process.stderr.write(`${explain(error)}\n`);
  process.exitCode = 1;
}

async function run(registry: Registry, args: readonly string[]): Promise<string> {
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
  const [command, clientId, ...rest] = positionals;
  if (rest.length > 0 || command === undefined) throw new UsageError(USAGE);
  if (command === 'list') return table(await registry.list());
  if (clientId === undefined) throw new UsageError(USAGE);
  const found = (await registry.list()).find((client) => client.client_id === clientId);
  if (command === 'add') {
    if (found) throw new UsageError(`There is a client ${clientId} already: rotate gives it a new secret.`);
    return add(registry, clientId, values);
  }
  if (!found) throw new UsageError(`There is no client ${clientId}: list shows all.`);
  switch (command) {
    case 'disable':
    case 'enable':
      await registry.put({ ...found, enabled: command === 'enable' });
      return `${clientId} is ${command}d.`;
    case 'rotate':
      return rotate(registry, found, wholeNumber(values['keep-hours'] ?? '24', '--keep-hours'));
    default:
      throw new UsageError(USAGE);
  }
}

async function add(
  registry: Registry,
  clientId: string,
  values: { grants?: string | undefined; scope?: string | undefined; 'expires-in-days'?: string | undefined },
): Promise<string> {
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
  if (parsed.error) {
    const problems = parsed.error.issues.map(({ path, message }) => `  ${path.join('.')}: ${message}`);
    throw new UsageError(`This is no client:\n${problems.join('\n')}`);
  }
  await registry.put(parsed.data);
  return shownOnce(clientId, secret);
}

async function rotate(registry: Registry, client: ClientRecord, keepHours: number): Promise<string> {
  const secret = newClientSecret();
  const until = inHours(keepHours);
  const former = client.secrets
    .filter(({ expires_at: end }) => end === undefined || Date.parse(end) > Date.now())
    .map((kept) => ({ ...kept, expires_at: earlier(kept.expires_at, until) }));
  const created = { hash: hashClientSecret(secret), created_at: new Date().toISOString() };
  await registry.put({ ...client, secrets: keepHours === 0 ? [created] : [...former, created] });
  const end = keepHours === 0 ? 'are refused from now on' : `are good until ${until}`;
  return `${shownOnce(client.client_id, secret)}\nIts former secrets ${end}.`;
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

async function openRegistry(): Promise<Registry> {
  const { REDIS_URL, TOKEN_CACHE_SECRET } = authSettings;
  const location = readSettings(
    defineSettings({ GATEWAY_CLIENTS: clientsSetting }),
    process.env,
  ).GATEWAY_CLIENTS;
  if (location !== 'redis:') {
    const document = await ClientDocument.read(location ?? bundledClients);
    return {
      list: async () => document.clients,
      put: (record) => document.put(record),
      close: async () => {},
    };
  }
  const settings = readSettings(
    defineSettings({ ENVIRONMENT: environmentSetting, REDIS_URL, TOKEN_CACHE_SECRET }),
    process.env,
  );
  const store = openStore(settings.REDIS_URL);
  if (!store.shared) throw new StartError('GATEWAY_CLIENTS is redis:, so REDIS_URL must name a Redis.');
  await new Promise<void>((resolve) => {
    const forget = store.onAvailable(() => (forget(), resolve()));
    setTimeout(resolve, 2_000).unref();
  });
  const clients = new StoreClientRegistry(store, settings.TOKEN_CACHE_SECRET);
  return { list: () => clients.list(), put: (record) => clients.put(record), close: () => store.close() };
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
  // parseArgs explains what it did not understand, the store that it is away.
  return error instanceof Error ? error.message : 'The command failed.';
}
