import { createServer, isIP } from 'node:net';
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import { StartError } from '../settings/start-error.js';

/** Address for a service to listen on. */
export interface Listening {
  readonly service: string;
  readonly host: string;
  readonly port: number;
  /** The variable that chooses the port; the one beside it chooses the host. */
  readonly setting: 'PORT' | 'OPS_PORT';
}

/** A name that does not resolve can take half a minute to fail. */
const RESOLVE_TIMEOUT_MS = 1_500;

/**
 * Binds the listener for a moment, so that a slowly starting service reports an unusable address at once.
 *
 * @throws {StartError}
 */
export async function ensureListenable(listening: Listening): Promise<void> {
  const { host, port, setting, service } = listening;
  const server = createServer();
  const timeout = new AbortController();
  const bound = new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen({ host, port }, resolve);
  });
  const late = async () => {
    await delay(RESOLVE_TIMEOUT_MS, undefined, { signal: timeout.signal });
    await turn();
    throw new StartError(
      `${hostOf(setting)} ${host} (${service}) is a name that does not resolve in time: set it to an address of this machine.`,
    );
  };
  try {
    await listenOrExplain(listening, () => (isIP(host) === 0 ? Promise.race([bound, late()]) : bound));
  } finally {
    timeout.abort();
    await new Promise((resolve) => server.close(resolve));
  }
}

/**
 * Binds a listener, and explains a failure.
 *
 * @throws {StartError}
 */
export async function listenOrExplain<T>(listening: Listening, listen: () => Promise<T>): Promise<T> {
  try {
    return await listen();
  } catch (error) {
    const { code } = (error ?? {}) as { code?: unknown };
    const explained = typeof code === 'string' ? explain(code, listening) : undefined;
    throw explained === undefined ? error : new StartError(explained, { cause: error });
  }
}

function explain(code: string, { service, host, port, setting }: Listening): string | undefined {
  const inSuite = `${service.replace(/ ops$/, '').replaceAll('-', '_').toUpperCase()}_${setting}`;
  const choose = `choose another port with ${setting} (${inSuite} under npm start)`;
  const where = `${hostOf(setting)} ${host} (${service})`;
  switch (code) {
    case 'EADDRINUSE':
      return `Port ${port} (${service}) is already in use: stop what listens there, or ${choose}.`;
    case 'EACCES':
      return `Port ${port} (${service}) needs a right that this user does not have: ${choose}, from 1024 on, or give the process CAP_NET_BIND_SERVICE.`;
    case 'EADDRNOTAVAIL':
      return `${where} is no address of this machine: set it to one that is, or to * for all of them.`;
    case 'EAFNOSUPPORT':
    case 'EINVAL':
      return `${where} is an address of a kind that this machine does not have: set it to * for all addresses of this machine.`;
    default:
      if (/^(ENOTFOUND|EAI_)/.test(code))
        return `${where} is a name that does not resolve (${code}): set it to an address of this machine.`;
      return /^E[A-Z]+$/.test(code)
        ? `${where} and port ${port} cannot be listened on (${code}): check ${hostOf(setting)} and ${setting}.`
        : undefined;
  }
}

function hostOf(setting: Listening['setting']): string {
  return setting.replace('PORT', 'HOST');
}

/** `[::1]:3001`, as in a URL. */
export function authorityOf(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
