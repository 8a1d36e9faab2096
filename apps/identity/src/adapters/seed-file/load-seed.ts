import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { isMap, isNode, isScalar, LineCounter, parseDocument, type Document } from 'yaml';
import { Clients, type Client } from '../../core/clients.js';
import type { Api, Directory, User } from '../../core/directory.js';
import { parsePasswordHash, type PasswordHash } from '../../core/password-hash.js';
import { checkReferences, type SeedIssue } from './check-references.js';
import { SeedError } from './seed-error.js';
import { seedSchema, type SeedDocument } from './seed.schema.js';

export interface SeedUser {
  readonly user: User;
  readonly connection: string;
  readonly passwordHash: PasswordHash;
}

export interface Seed {
  readonly directory: Directory;
  readonly users: readonly SeedUser[];
}

/** `apps/identity/seed.yaml`: both `src/` and `dist/` lie beside it. */
export const defaultSeedPath = fileURLToPath(new URL('../../../seed.yaml', import.meta.url));

/**
 * Reads a seed file.
 *
 * @throws SeedError listing every problem as `file:line: where: reason`
 */
export async function loadSeed(path: string = defaultSeedPath): Promise<Seed> {
  return parseSeed(await readSeedFile(path), path);
}

/** @param path only used in messages */
export function parseSeed(source: string, path: string): Seed {
  const lineCounter = new LineCounter();
  // Pretty errors quote the source, and with it password hashes and client secrets.
  const document = parseDocument(source, { lineCounter, prettyErrors: false });
  if (document.errors.length > 0) {
    throw new SeedError(
      problems(
        path,
        document.errors.map(({ message, pos }) => ({ line: lineCounter.linePos(pos[0]).line, message })),
      ),
    );
  }
  const { data, error } = seedSchema.safeParse(document.toJS());
  const issues = error
    ? error.issues.flatMap((issue) =>
        issue.code === 'unrecognized_keys'
          ? issue.keys.map((key) => ({ path: [...issue.path, key], message: 'unknown key' }))
          : [{ path: issue.path, message: issue.message }],
      )
    : checkReferences(data);
  if (!data || issues.length > 0) {
    throw new SeedError(
      problems(
        path,
        issues.map((issue) => located(issue, document, lineCounter)),
      ),
    );
  }
  return toSeed(data);
}

async function readSeedFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new SeedError(
      `The seed file ${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'}). ` +
        'Set IDENTITY_SEED to a readable YAML file.',
      { cause: error },
    );
  }
}

interface Problem {
  readonly line: number;
  readonly message: string;
}

function problems(path: string, found: readonly Problem[]): string {
  const lines = [...found]
    .sort((a, b) => a.line - b.line)
    .map(({ line, message }) => `  ${path}:${line}: ${message}`);
  return ['The seed file is not usable:', ...lines].join('\n');
}

function located(issue: SeedIssue, document: Document, lineCounter: LineCounter): Problem {
  const where = issue.path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('');
  const line = lineCounter.linePos(offsetOf(issue.path, document)).line;
  return { line, message: `${where.replace(/^\./, '') || 'document'}: ${issue.message}` };
}

/** Start of the value at a path; for a missing one, start of the nearest enclosing value. */
function offsetOf(path: readonly PropertyKey[], document: Document): number {
  for (let depth = path.length; depth > 0; depth -= 1) {
    const parent = document.getIn(path.slice(0, depth - 1), true);
    const key = path[depth - 1];
    const pair = isMap(parent)
      ? parent.items.find((item) => isScalar(item.key) && item.key.value === key)
      : undefined;
    const node = pair?.key ?? document.getIn(path.slice(0, depth), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return 0;
}

function toSeed(document: SeedDocument): Seed {
  return {
    directory: {
      apis: new Map(document.apis.map((api) => [api.identifier, toApi(api)])),
      clients: new Clients(document.clients.map(toClient)),
      realms: new Set(document.connections.map(({ name }) => name)),
      defaultRealm: document.default_directory,
    },
    users: document.users.map((user) => toSeedUser(user, document.default_directory)),
  };
}

function toApi(api: SeedDocument['apis'][number]): Api {
  return {
    identifier: api.identifier,
    name: api.name,
    scopes: api.scopes,
    accessTokenLifetimeSeconds: api.token_lifetime_seconds,
    allowOfflineAccess: api.allow_offline_access,
    tokenForm: api.token_dialect === 'rfc9068_profile' ? 'rfc9068' : 'dialect',
  };
}

function toClient(client: SeedDocument['clients'][number]): Client {
  return {
    clientId: client.client_id,
    clientSecret: client.client_secret,
    enabled: true,
    grantTypes: client.grant_types,
    endUserAddressTrusted: client.is_token_endpoint_ip_header_trusted,
    accessTokenLifetimeSeconds: client.access_token_lifetime_seconds,
    refreshTokenLifetimeSeconds: client.refresh_token_lifetime_seconds,
    refreshTokenLeewaySeconds: client.refresh_token_leeway_seconds,
    ownScopes: new Map(Object.entries(client.client_grants)),
  };
}

function toSeedUser(user: SeedDocument['users'][number], defaultDirectory: string | undefined): SeedUser {
  const connection = user.connection ?? defaultDirectory;
  const passwordHash = parsePasswordHash(user.password);
  if (connection === undefined || typeof passwordHash === 'string') {
    throw new Error('a seed that passed its checks has a connection and a password hash for every user');
  }
  const { name, nickname, given_name, family_name, picture } = user;
  const profile = {
    name: name ?? user.email,
    nickname: nickname ?? user.email.split('@')[0],
    given_name,
    family_name,
    picture,
  };
  return {
    connection,
    passwordHash,
    user: {
      userId: user.user_id,
      email: user.email,
      emailVerified: user.email_verified,
      blocked: user.blocked,
      profile: definedOnly(profile),
      permissions: new Map(Object.entries(user.permissions)),
    },
  };
}

function definedOnly(values: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
