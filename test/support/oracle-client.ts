import { performance } from 'node:perf_hooks';

/** One request that is sent again and again, and the answers that are right for it. */
export interface Expectation {
  readonly title: string;
  readonly url: string;
  readonly token: string;
  readonly statuses: readonly number[];
}

export interface OracleReport {
  readonly requests: number;
  /** One line for each answer that was not right, a lost connection included. */
  readonly wrong: readonly string[];
  readonly medianMs: number;
  readonly maxMs: number;
}

/** How long each fault lasts under load, in milliseconds; `npm run test:soak` makes it long. */
export const FAULT_MS = Number(process.env.FAULT_SECONDS ?? 1.5) * 1000;
const LOOPS = 8;
/** An answer that takes longer counts as none. */
const PATIENCE_MS = 5_000;

/** Keeps asking in parallel for a while, and knows of every request which answers are right. */
export async function ask(
  expectations: readonly Expectation[],
  durationMs: number = FAULT_MS,
): Promise<OracleReport> {
  const durations: number[] = [];
  const wrong: string[] = [];
  const until = performance.now() + durationMs;
  let turn = 0;
  const loop = async () => {
    while (performance.now() < until) {
      const expectation = expectations[turn++ % expectations.length]!;
      const startedAt = performance.now();
      const status = await statusOf(expectation);
      durations.push(performance.now() - startedAt);
      if (!(expectation.statuses as readonly unknown[]).includes(status)) {
        wrong.push(`${expectation.title}: ${status}`);
      }
    }
  };
  await Promise.all(Array.from({ length: LOOPS }, loop));
  durations.sort((a, b) => a - b);
  return {
    requests: durations.length,
    wrong,
    medianMs: durations[Math.floor(durations.length / 2)]!,
    maxMs: durations.at(-1)!,
  };
}

async function statusOf({ url, token }: Expectation): Promise<number | string> {
  try {
    const response = await fetch(url, {
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    await response.arrayBuffer();
    return response.status;
  } catch (error) {
    return String((error as { cause?: unknown }).cause ?? error);
  }
}
