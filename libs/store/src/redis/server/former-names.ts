import type { RedisClient } from '../connection/redis-connection.js';
import { refusal } from '../connection/redis-refusal.js';
import type { Try } from './server-check.js';

/** How to detect data of versions without prefixes. */
export interface FormerNames {
  /** Keys of these versions, by their former names; one is enough. */
  readonly signs: readonly string[];
  /** How long their data may matter, in milliseconds. */
  readonly keepMs: number;
}

/** Owner of the former names, where several deployments share the Redis of a former one: the first that finds them. */
const CLAIM_KEY = 'former-names:v1';

/**
 * Claims the former names for the deployment with this prefix, if there is anything under them.
 *
 * @returns the attempts, for the check of the server, and whether the former names are ours; undefined where Redis does not tell
 */
export function claimFormerNames(
  client: RedisClient,
  prefix: string,
  formerNames: FormerNames | undefined,
): { readonly tries: readonly Try[]; readonly ours: Promise<boolean | undefined> } {
  if (!formerNames) return { tries: [], ours: Promise.resolve(false) };
  const untilMs = Date.now() + formerNames.keepMs;
  const there = client.exists([...formerNames.signs]);
  const claiming = there.then((found) =>
    found === 0 ? null : client.set(CLAIM_KEY, `${untilMs} ${prefix}`, { condition: 'NX' }),
  );
  const claimed = there.then((found) => (found === 0 ? null : client.get(CLAIM_KEY)));
  const ours = async () => {
    const found = await there.catch(refusal);
    if (!found) return found === 0 ? false : undefined;
    // With an unreadable claim they count as ours: an earlier log-out must not be overlooked.
    const [claim] = await Promise.all([claimed.catch(refusal), claiming.catch(refusal)]);
    const [claimedUntilMs, owner] = claim?.split(' ') ?? [untilMs, prefix];
    return owner === prefix && Date.now() < Number(claimedUntilMs);
  };
  const what = `what earlier versions left (${formerNames.signs.join(', ')})`;
  return {
    tries: [
      [`looking for ${what}`, there],
      [`claiming ${what} (${CLAIM_KEY})`, claiming],
      [`reading who has claimed ${what} (${CLAIM_KEY})`, claimed],
    ],
    ours: ours(),
  };
}
