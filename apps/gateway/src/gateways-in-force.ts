import { setTimeout as delay } from 'node:timers/promises';

const ASK_EVERY_MS = 200;
const ANSWER_WITHIN_MS = 2_000;

interface Readiness {
  readonly details?: { readonly clients?: { readonly detail?: unknown } };
}

/**
 * Waits until gateways report on their ops listeners that the current clients are in force.
 *
 * @param gateways URLs of their ops listeners
 * @param expected the expected report, read again each time, because another user may have changed it meanwhile
 * @returns one line for each gateway that does not report it in time
 */
export async function awaitInForce(
  gateways: readonly URL[],
  expected: () => Promise<string>,
  waitMs: number,
): Promise<readonly string[]> {
  const deadlineMs = performance.now() + waitMs;
  for (;;) {
    const told = await Promise.all(gateways.map(async (url) => ({ url, inForce: await inForceAt(url) })));
    const wanted = await expected();
    const others = told.filter(({ inForce }) => inForce !== wanted);
    if (others.length === 0) return [];
    if (performance.now() > deadlineMs)
      return others.map(({ url, inForce }) => `  ${url.origin}: ${inForce}`);
    await delay(ASK_EVERY_MS);
  }
}

async function inForceAt(gateway: URL): Promise<string> {
  try {
    const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
    const response = await fetch(new URL('/health/ready', gateway), { signal });
    const { detail } = ((await response.json()) as Readiness).details?.clients ?? {};
    return typeof detail === 'string'
      ? detail
      : 'does not tell its clients; is this the ops listener of a gateway?';
  } catch {
    return 'gives no answer';
  }
}
