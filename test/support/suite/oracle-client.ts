import { Agent, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { MachinePauses } from '../timing/machine-pauses.js';
import { until } from '../timing/until.js';

/** A token and its right answer: 200, 401 or, if there may be no verdict, 200 or 503. */
export interface OracleCase {
  readonly token: string;
  readonly expect: 'accepted' | 'refused' | 'either';
  /** Compared with `sub` of answers that have one. */
  readonly subject?: string | undefined;
}

export interface OracleOptions {
  /** Addresses for the requests, in turn. */
  readonly urls: readonly string[];
  /** Cases for the requests, in turn, again and again. */
  readonly cases: readonly OracleCase[];
  readonly loops?: number;
  /** Time between an answer and the next request of a loop, so that the machine is not fully busy. */
  readonly pauseMs?: number;
  /** Pauses of the machine do not count as waiting. */
  readonly machine?: MachinePauses;
  /** Longest time of a request; a longer one counts as hung. */
  readonly patienceMs?: number;
}

export interface WrongAnswer {
  readonly url: string;
  readonly expected: OracleCase['expect'];
  /** Status, code of the connection's error, or the wrong subject. */
  readonly got: string;
  readonly atMs: number;
  readonly durationMs: number;
}

export interface OracleReport {
  readonly requests: number;
  readonly wrong: readonly WrongAnswer[];
  /** Number of answers with a compared `sub`. */
  readonly identified: number;
  readonly byStatus: Readonly<Record<string, number>>;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Longest wait of a request. */
  readonly maxMs: number;
}

/** How long a fault lasts under load, in milliseconds; `npm run test:drills` makes it long. */
export const LOAD_MS = Number(process.env.FAULT_SECONDS ?? 1.5) * 1000;

const STATUSES = { accepted: [200], refused: [401], either: [200, 503] } as const;

/** Sends requests all the time, and knows the right answers. */
export class OracleClient {
  private readonly agent: Agent;
  private readonly loops: Promise<void>[];
  private readonly startedAtMs = performance.now();
  private readonly durationsMs: number[] = [];
  private readonly byStatus: Record<string, number> = {};
  private readonly wrong: WrongAnswer[] = [];
  private identified = 0;
  private asked = 0;
  private going = true;

  constructor(private readonly options: OracleOptions) {
    const { loops = 8 } = options;
    this.agent = new Agent({ keepAlive: true });
    this.loops = Array.from({ length: loops }, () => this.loop());
  }

  /** Sends this number of requests, without a limit of time. */
  static async run(requests: number, options: OracleOptions): Promise<OracleReport> {
    const client = new OracleClient(options);
    try {
      await client.hasAnswered(requests);
    } finally {
      client.going = false;
    }
    return client.stop();
  }

  /** Waits for this total number of answers. */
  hasAnswered(requests: number): Promise<void> {
    return until(() => this.answered >= requests, 20_000);
  }

  /** Requests answered so far. */
  get answered(): number {
    return this.durationsMs.length;
  }

  async stop(): Promise<OracleReport> {
    this.going = false;
    await Promise.all(this.loops);
    this.agent.destroy();
    const sorted = this.durationsMs.sort((a, b) => a - b);
    const quantile = (q: number) => Math.round(sorted[Math.ceil(q * sorted.length) - 1] ?? 0);
    return {
      requests: sorted.length,
      wrong: this.wrong,
      identified: this.identified,
      byStatus: this.byStatus,
      p50Ms: quantile(0.5),
      p99Ms: quantile(0.99),
      maxMs: quantile(1),
    };
  }

  private async loop(): Promise<void> {
    const { urls, cases, pauseMs = 4 } = this.options;
    while (this.going) {
      const turn = this.asked++;
      // Over time each case goes to each URL.
      const url = urls[(turn + Math.floor(turn / cases.length)) % urls.length]!;
      await this.ask(url, cases[turn % cases.length]!);
      await delay(pauseMs);
    }
  }

  private async ask(url: string, { token, expect: expected, subject }: OracleCase): Promise<void> {
    const sentAtMs = performance.now();
    const { status, body } = await this.get(url, token);
    const durationMs = this.options.machine?.tookMs(sentAtMs) ?? performance.now() - sentAtMs;
    this.durationsMs.push(durationMs);
    this.byStatus[status] = (this.byStatus[status] ?? 0) + 1;
    const right = STATUSES[expected].some((one) => String(one) === status);
    const named = status === '200' ? nameIn(body) : undefined;
    if (named !== undefined && subject !== undefined) this.identified += 1;
    const mistaken = named !== undefined && subject !== undefined && named !== subject;
    if (right && !mistaken) return;
    const got = mistaken ? `${named} for ${subject}` : status;
    const atMs = Math.round(sentAtMs - this.startedAtMs);
    this.wrong.push({ url, expected, got, atMs, durationMs: Math.round(durationMs) });
  }

  private get(url: string, token: string): Promise<{ status: string; body: string }> {
    const { patienceMs = 3_000 } = this.options;
    return new Promise((resolve) => {
      const fail = (error: NodeJS.ErrnoException) => resolve({ status: error.code ?? error.name, body: '' });
      const outgoing = request(
        url,
        {
          agent: this.agent,
          headers: { authorization: `Bearer ${token}` },
          signal: AbortSignal.timeout(patienceMs),
        },
        (incoming) => {
          let body = '';
          incoming.setEncoding('utf8');
          incoming.on('data', (text: string) => (body += text));
          incoming.on('error', fail);
          incoming.on('end', () => resolve({ status: String(incoming.statusCode), body }));
        },
      );
      outgoing.on('error', fail);
      outgoing.end();
    });
  }
}

function nameIn(body: string): string | undefined {
  const { sub } = JSON.parse(body) as { sub?: string };
  return sub;
}
