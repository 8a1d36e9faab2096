import { createLogger, type Logger } from '@app/ops';

/** Hash of the secret `s`. */
export const HASH_OF_S = 'sha256$AAAAAAAAAAAAAAAAAAAAAA$u5hpOAFKkWlx76Rpor85davwYcFSHRLlNnXX7iaSZbQ';

/** A file with one client, whose only secret is `s`. */
export function clientsYaml(clientId: string, more = ''): string {
  return `# kept\nclients:\n  - client_id: ${clientId} # a remark\n    grant_types: [password]\n    scope: read:venues\n    secrets:\n      - hash: ${HASH_OF_S}\n${more}`;
}

/** One client, whose only secret is `s`. */
export function clientRecord(clientId: string, enabled = true) {
  return {
    client_id: clientId,
    enabled,
    grant_types: ['password' as const],
    scope: 'read:venues',
    secrets: [{ hash: HASH_OF_S }],
  };
}

export const silentLog: Logger = createLogger({ service: 'test', environment: 'test', level: 'silent' });

interface Line {
  readonly level: number;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** A logger that keeps its lines. */
export function heardLog(): { readonly log: Logger; readonly lines: Line[]; readonly errors: () => Line[] } {
  const lines: Line[] = [];
  const write = (line: string) => void lines.push(JSON.parse(line) as Line);
  const log = createLogger({ service: 'test', environment: 'test', destination: { write } });
  return { log, lines, errors: () => lines.filter(({ level }) => level >= 50) };
}

export const UNPRIVILEGED_UID = 65_534;

/** Runs `run` as a user with almost no rights; only root can. */
export async function asUnprivilegedUser<T>(run: () => Promise<T>): Promise<T> {
  process.setegid!(UNPRIVILEGED_UID);
  process.seteuid!(UNPRIVILEGED_UID);
  try {
    return await run();
  } finally {
    process.seteuid!(0);
    process.setegid!(0);
  }
}

export const isRoot = process.getuid?.() === 0;
/** For the title of a spec that needs root. */
export const unlessRoot = isRoot ? '' : ' (skipped: only root may give files away)';
