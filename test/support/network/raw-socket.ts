import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export interface SocketAnswer {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * Sends bytes unchanged, and returns all received bytes once the other side has closed the connection.
 *
 * @param parts sent one after another, 20 ms apart, for as long as the connection takes them
 */
export async function rawExchange(port: number, ...parts: readonly string[]): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1' });
  let received = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => (received += chunk));
  socket.on('error', () => undefined);
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  for (const [i, part] of parts.entries()) {
    if (i > 0) await delay(20);
    if (socket.writable) socket.write(part, 'latin1');
  }
  await closed;
  return received;
}

/** Parses answers strictly: each must have the length of its header, and nothing may follow the last. */
export function answersIn(received: string): SocketAnswer[] {
  const answers: SocketAnswer[] = [];
  for (let rest = received; rest !== '';) {
    const end = rest.indexOf('\r\n\r\n');
    const [start = '', ...lines] = rest.slice(0, end).split('\r\n');
    const status = Number(/^HTTP\/1\.1 (\d{3}) [A-Z]/.exec(start)?.[1]);
    if (end === -1 || Number.isNaN(status)) throw new Error(`not an answer: ${JSON.stringify(rest)}`);
    const headers = Object.fromEntries(
      lines.map((line) => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
      }),
    );
    const bodyEnd = end + 4 + Number(headers['content-length'] ?? Number.NaN);
    if (!(bodyEnd <= rest.length)) throw new Error(`not as long as it says: ${JSON.stringify(rest)}`);
    answers.push({ status, headers, body: rest.slice(end + 4, bodyEnd) });
    rest = rest.slice(bodyEnd);
  }
  return answers;
}
