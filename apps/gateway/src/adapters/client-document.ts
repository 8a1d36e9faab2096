import { readFile, rename, stat, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { StartError } from '@app/ops';
import { isMap, isSeq, parseDocument, type YAMLMap } from 'yaml';
import { z } from 'zod';
import { GRANT_TYPES, type Client } from '../core/client.js';

/** `apps/gateway/clients.yaml`: both `src/adapters` and `dist/adapters` lie two folders below it. */
export const bundledClients = fileURLToPath(new URL('../../clients.yaml', import.meta.url));

/** RFC 6749 appendix A.1: `VSCHAR`. */
const CLIENT_ID = /^[\x20-\x7E]{1,128}$/;
/** RFC 6749 section 3.3: `scope-token`s, one space between them. */
const SCOPE = /^[\x21\x23-\x5B\x5D-\x7E]+(?: [\x21\x23-\x5B\x5D-\x7E]+)*$/;

/** One client, as it stands in a file and in Redis. */
export const clientSchema = z.strictObject({
  client_id: z.string().regex(CLIENT_ID, 'must be 1 to 128 printable ASCII characters'),
  enabled: z.boolean().default(true),
  grant_types: z.array(z.enum(GRANT_TYPES, { message: `must be of: ${GRANT_TYPES.join(', ')}` })).min(1),
  scope: z.string().regex(SCOPE, 'must be scopes separated by single spaces'),
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
    secrets: record.secrets.map(({ hash, expires_at: expiresAt }) => ({
      hash,
      expiresAtSeconds: expiresAt === undefined ? undefined : Date.parse(expiresAt) / 1000,
    })),
  };
}

/** A YAML file of clients, with the comments that people wrote into it. */
export class ClientDocument {
  private constructor(
    private readonly path: string,
    private readonly document: ReturnType<typeof parseDocument>,
    readonly clients: readonly ClientRecord[],
  ) {}

  /** @throws {StartError} naming the file and every field that is wrong, never what it holds */
  static async read(path: string): Promise<ClientDocument> {
    const source = await readFile(path, 'utf8').catch((error: unknown) => {
      const { code = 'error' } = error as NodeJS.ErrnoException;
      throw new StartError(
        `The clients in ${path} cannot be read (${code}): set GATEWAY_CLIENTS to a readable YAML file.`,
      );
    });
    // Pretty errors would quote the source.
    const document = parseDocument(source, { prettyErrors: false });
    const [broken] = document.errors;
    if (broken) throw new StartError(`The clients in ${path} are not YAML: ${broken.message}`);
    const { data, error } = documentSchema.safeParse(document.toJS());
    if (!error) return new ClientDocument(path, document, data.clients);
    const problems = error.issues.map((issue) => {
      const where = issue.code === 'unrecognized_keys' ? [...issue.path, ...issue.keys] : issue.path;
      return `  ${where.map(String).join('.') || 'the whole file'}: ${issue.message}`;
    });
    throw new StartError(`The clients in ${path} are not valid:\n${problems.join('\n')}`);
  }

  /** Puts a client in the place of the one with its `client_id`, or at the end, and writes the file at once. */
  async put(record: ClientRecord): Promise<void> {
    const clients: unknown = this.document.get('clients');
    if (!isSeq(clients)) throw new StartError(`${this.path} has no list of clients`);
    const at = clients.items.findIndex((item) => isMap(item) && item.get('client_id') === record.client_id);
    if (at === -1) clients.add(this.document.createNode(record));
    else {
      const node = clients.items[at] as YAMLMap;
      const before = node.toJSON() as Record<string, unknown>;
      // Field by field: the comments of those that stay the same are kept.
      for (const [name, value] of Object.entries(record)) {
        if (JSON.stringify(before[name]) !== JSON.stringify(value)) {
          node.set(name, this.document.createNode(value));
        }
      }
    }
    await this.write(this.document.toString({ lineWidth: 0 }));
  }

  /** Whoever reads meanwhile finds the old file or the new one, never half of it. */
  private async write(content: string): Promise<void> {
    const { mode } = await stat(this.path);
    const temporary = `${this.path}.${process.pid}.tmp`;
    await writeFile(temporary, content, { mode });
    await rename(temporary, this.path);
  }
}
