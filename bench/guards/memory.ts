import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { active, startFakeUserToken } from '../../test/support/suite/fake-user-token.js';
import { Deployment } from '../deployed/deployment.js';
import { serverEnvironment } from './guards.js';
import { AUDIENCE, type Issuer } from '../issuer.js';
import { load } from '../load.js';
import { tenPermissions } from '../permissions.js';
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
export async function measureMemory(issuer: Issuer, directory: string): Promise<Memory> {
  console.log(`Sending ${TOKENS} different tokens ...`);
  // Says yes to everything: what is measured here is what is kept of it.
  const userToken = await startFakeUserToken();
  try {
    userToken.behave((accessToken) =>
      active({ subject: `auth0|${accessToken}`, audience: [AUDIENCE], permissions: tenPermissions }),
    );
    await using deployment = await Deployment.start(issuer, directory);
    using server = await ServerProcess.start('ours', {
      ...serverEnvironment(deployment),
      USER_TOKEN_URL: userToken.url,
    });
    return {
      tokens: TOKENS,
      processHeapGrowthBytes: await heapGrowthBytes(server, join(directory, 'memory')),
    };
  } finally {
    await userToken.stop();
  }
}

async function heapGrowthBytes(server: ServerProcess, tokensFile: string): Promise<number> {
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
  return (await server.heapBytes()) - before;
}
