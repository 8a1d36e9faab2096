import type { SeedDocument } from './seed.schema.js';

export interface SeedIssue {
  /** Keys and indexes from the top of the document. */
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** Faults that a schema cannot find: names used but not defined, names defined twice. */
export function checkReferences(seed: SeedDocument): readonly SeedIssue[] {
  const apis = new Map(seed.apis.map((api) => [api.identifier, api.scopes]));
  const connections = new Set(seed.connections.map(({ name }) => name));
  const inDefault = seed.default_directory;

  return [
    ...duplicates(seed.connections, 'connections', 'name', ({ name }) => name),
    ...duplicates(seed.apis, 'apis', 'identifier', ({ identifier }) => identifier),
    ...duplicates(seed.clients, 'clients', 'client_id', (client) => client.client_id),
    ...duplicates(seed.users, 'users', 'user_id', (user) => user.user_id),
    ...duplicates(seed.users, 'users', 'email', (user) =>
      [user.connection ?? inDefault, user.email.toLowerCase()].join(' '),
    ),
    ...(inDefault !== undefined && !connections.has(inDefault)
      ? [{ path: ['default_directory'], message: `connection ${quote(inDefault)} is not defined` }]
      : []),
    ...seed.clients.flatMap((client, index) =>
      scopesByApi(client.client_grants, apis, ['clients', index, 'client_grants']),
    ),
    ...seed.users.flatMap((user, index) => [
      ...scopesByApi(user.permissions, apis, ['users', index, 'permissions']),
      ...connectionOf(user.connection, inDefault, connections, ['users', index]),
    ]),
  ];
}

function duplicates<T>(
  items: readonly T[],
  list: string,
  field: string,
  key: (item: T) => string,
): readonly SeedIssue[] {
  const keys = items.map(key);
  return keys.flatMap((value, index) => {
    const first = keys.indexOf(value);
    return first === index
      ? []
      : [{ path: [list, index, field], message: `duplicate ${field}, same as ${list}[${first}]` }];
  });
}

function scopesByApi(
  scopes: Readonly<Record<string, readonly string[]>>,
  apis: ReadonlyMap<string, readonly string[]>,
  path: readonly PropertyKey[],
): readonly SeedIssue[] {
  return Object.entries(scopes).flatMap(([identifier, names]) => {
    const defined = apis.get(identifier);
    if (!defined)
      return [{ path: [...path, identifier], message: `API ${quote(identifier)} is not defined` }];
    return names.flatMap((name, index) =>
      defined.includes(name)
        ? []
        : [
            {
              path: [...path, identifier, index],
              message: `API ${quote(identifier)} has no scope ${quote(name)}`,
            },
          ],
    );
  });
}

function connectionOf(
  connection: string | undefined,
  inDefault: string | undefined,
  connections: ReadonlySet<string>,
  path: readonly PropertyKey[],
): readonly SeedIssue[] {
  if (connection === undefined && inDefault === undefined) {
    return [{ path, message: 'connection is missing and there is no default_directory' }];
  }
  if (connection !== undefined && !connections.has(connection)) {
    return [{ path: [...path, 'connection'], message: `connection ${quote(connection)} is not defined` }];
  }
  return [];
}

const quote = (text: string) => JSON.stringify(text);
