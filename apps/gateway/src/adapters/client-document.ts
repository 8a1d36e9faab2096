import { hash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { StartError } from '@app/ops';
import { isScope } from '@app/contract';
import { isMap, isScalar, isSeq, parseDocument, type Document, type YAMLMap, type YAMLSeq } from 'yaml';
import { z } from 'zod';
import { GRANT_TYPES, type Client } from '../core/client.js';

/** `apps/gateway/clients.yaml`: both `src/adapters` and `dist/adapters` lie two folders below it. */
export const bundledClients = fileURLToPath(new URL('../../clients.yaml', import.meta.url));

/** RFC 6749 appendix A.1: `VSCHAR`. */
const CLIENT_ID = /^[\x20-\x7E]{1,128}$/;

/** One client, in the form of files and Redis. */
export const clientSchema = z.strictObject({
  client_id: z.string().regex(CLIENT_ID, 'must be 1 to 128 printable ASCII characters'),
  enabled: z.boolean().default(true),
  grant_types: z.array(z.enum(GRANT_TYPES, { message: `must be of: ${GRANT_TYPES.join(', ')}` })).min(1),
  scope: z.string().refine(isScope, 'must be scopes separated by single spaces'),
  secrets: z.array(
    z.strictObject({
      hash: z
        .string()
        .regex(/^sha256\$[\w-]{22}\$[\w-]{43}$/, 'must be a hash that `npm run client` has made'),
      created_at: z.iso.datetime({ offset: true }).optional(),
      expires_at: z.iso.datetime({ offset: true }).optional(),
    }),
  ),
});

export type ClientRecord = z.infer<typeof clientSchema>;

const documentSchema = z
  .strictObject({ clients: z.array(clientSchema) })
  .refine(
    ({ clients }) => new Set(clients.map((client) => client.client_id)).size === clients.length,
    'the same client_id stands there twice',
  );

export function asClient(record: ClientRecord): Client {
  return {
    clientId: record.client_id,
    enabled: record.enabled,
    grantTypes: record.grant_types,
    scopes: record.scope.split(' '),
    secrets: record.secrets.map(({ hash: stored, expires_at: expiresAt }) => ({
      hash: stored,
      expiresAtSeconds: expiresAt === undefined ? undefined : Date.parse(expiresAt) / 1000,
    })),
  };
}

/** Names the clients in force: gateways report it, and `npm run client` waits for it. */
export function revisionOf(content: string): string {
  return hash('sha256', content, 'base64url').slice(0, 16);
}

/** A YAML file of clients, with the comments of its authors. */
export class ClientDocument {
  private constructor(
    private readonly path: string,
    private readonly source: string,
    private readonly document: Document,
    readonly clients: readonly ClientRecord[],
  ) {}

  get revision(): string {
    return revisionOf(this.source);
  }

  /** @throws {StartError} naming the file and every wrong field, never its value */
  static async read(path: string): Promise<ClientDocument> {
    return ClientDocument.parse(path, await readClientFile(path));
  }

  /** @throws {StartError} as {@link ClientDocument.read} does */
  static parse(path: string, source: string): ClientDocument {
    // Pretty errors would quote the source.
    const document = parseDocument(source, { prettyErrors: false });
    const [broken] = document.errors;
    if (broken) throw new StartError(`The clients in ${path} are not YAML: ${broken.message}`);
    const { data, error } = documentSchema.safeParse(document.toJS());
    if (!error) return new ClientDocument(path, source, document, data.clients);
    const problems = error.issues.map((issue) => {
      const where = issue.code === 'unrecognized_keys' ? [...issue.path, ...issue.keys] : issue.path;
      return `  ${where.map(String).join('.') || 'the whole file'}: ${issue.message}`;
    });
    throw new StartError(`The clients in ${path} are not valid:\n${problems.join('\n')}`);
  }

  /**
   * The file with a client that replaces the one with its `client_id`, or is added at the end.
   *
   * @throws {StartError} if the result would be invalid, or change other clients
   */
  with(record: ClientRecord): string {
    const list: unknown = this.document.get('clients');
    if (!isSeq(list)) throw new StartError(`${this.path} has no list of clients`);
    const node = itemWith(list, 'client_id', record.client_id);
    const before = this.clients.find(({ client_id: id }) => id === record.client_id);
    if (node && before) this.update(node, before, record);
    else list.add(this.document.createNode(record));
    const source = this.rendered();
    const others = (clients: readonly ClientRecord[]) =>
      clients.filter(({ client_id: id }) => id !== record.client_id);
    const after = ClientDocument.parse(this.path, source).clients;
    if (isDeepStrictEqual(others(after), others(this.clients))) return source;
    throw new StartError(
      `${this.path} says of several clients at once what is to be changed of one: write out what stands there as *alias.`,
    );
  }

  /** In the former layout, so that a diff shows only the change. */
  private rendered(): string {
    const indentSeq = !/^- /m.test(this.source);
    const text = this.document.toString({ lineWidth: 0, flowCollectionPadding: false, indentSeq });
    return this.source.includes('\r\n') ? text.replaceAll('\n', '\r\n') : text;
  }

  /** Field by field, and secret by secret: comments stay beside their subject. */
  private update<T extends object>(node: YAMLMap, before: T, fields: T): void {
    for (const [name, value] of Object.entries(fields)) {
      const current: unknown = node.get(name, true);
      if (isDeepStrictEqual(before[name as keyof T], value)) continue;
      if (name === 'secrets' && isSeq(current)) this.updateSecrets(current, value as ClientRecord['secrets']);
      else if (isScalar(current)) current.value = value;
      else node.set(name, this.document.createNode(value));
    }
  }

  private updateSecrets(list: YAMLSeq, secrets: ClientRecord['secrets']): void {
    if (list.items.length === 0) list.flow = false;
    list.items = secrets.map((secret) => {
      const node = itemWith(list, 'hash', secret.hash);
      if (!node) return this.document.createNode(secret);
      this.update(node, node.toJS(this.document) as typeof secret, secret);
      return node;
    });
  }
}

/** @throws {StartError} when it cannot be read */
export async function readClientFile(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: unknown) => {
    const { code = 'error' } = error as NodeJS.ErrnoException;
    throw new StartError(
      `The clients in ${path} cannot be read (${code}): set GATEWAY_CLIENTS to a readable YAML file.`,
    );
  });
}

function itemWith(list: YAMLSeq, key: string, value: string): YAMLMap | undefined {
  return list.items.find((item): item is YAMLMap => isMap(item) && item.get(key) === value);
}
