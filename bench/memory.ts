import { writeFile } from 'node:fs/promises';
import { active, startFakeUserToken } from '../test/support/fake-user-token.js';
import type { RedisServer } from '../test/support/redis-server.js';
import { load } from './load.js';
import { ServerProcess } from './server-process.js';

export interface Memory {
  /** Tokens that were sent to one process, all different. */
  readonly tokens: number;
  /** Growth of the heap of that process, after garbage collection, in bytes. */
  readonly processHeapGrowthBytes: number;
}

const TOKENS = 100_000;
const SECONDS = 15;

/** Sends far more tokens than the in-process tier may hold to a server of its own. */
export async function measureMemory(
  redis: RedisServer,
  environment: Readonly<Record<string, string>>,
  tokensFile: string,
): Promise<Memory> {
  // Says yes to everything: what is measured here is what is kept of it.
  const userToken = await startFakeUserToken();
  userToken.behave((accessToken) =>
    active({
      subject: `auth0|${accessToken}`,
      audience: [environment['AUDIENCE']!],
      permissions: tenPermissions,
    }),
  );
  const server = await ServerProcess.start('ours', {
    ...environment,
    REDIS_URL: redis.url,
    USER_TOKEN_URL: userToken.url,
  });
  try {
    await writeFile(tokensFile, 'opaque-token-to-warm-up');
    await load(server.port, { tokensFile, seconds: 1 });
    const before = await server.heapBytes();
    const tokens = Array.from(
      { length: TOKENS },
      (_, index) => `opaque-token-${String(index).padStart(8, '0')}`,
    );
    await writeFile(tokensFile, tokens.join('\n'));
    let sent = 0;
    while (sent < TOKENS) {
      const sample = await load(server.port, { tokensFile, seconds: SECONDS });
      if (sample.refused > 0) throw new Error(`${sample.refused} tokens were refused and not kept`);
      sent += sample.requests;
    }
    return { tokens: TOKENS, processHeapGrowthBytes: (await server.heapBytes()) - before };
  } finally {
    server.stop();
    await userToken.stop();
  }
}

export const tenPermissions = ['read', 'write'].flatMap((verb) =>
  ['venues', 'events', 'tickets', 'artists', 'reports'].map((noun) => `${verb}:${noun}`),
);
