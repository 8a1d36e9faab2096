import { readFile } from 'node:fs/promises';
import type { RedisServer } from './redis-server.js';

/** Kinds of services, as docs/operations.md names their users. */
export type RedisUser = 'user-token' | 'guard' | 'gateway';

/** A line of docs/operations.md that gives a user rights, as it is pasted. */
export interface RightsLine {
  readonly user: RedisUser;
  readonly words: readonly string[];
}

/** First one for each user; then what is added where there is something of versions that put no prefix before names. */
export async function rightsLines(): Promise<readonly RightsLine[]> {
  const document = await readFile(new URL('../../../docs/operations.md', import.meta.url), 'utf8');
  return Array.from(document.matchAll(/^ACL SETUSER (\S+) .+$/gm), ([line, user]) => ({
    user: user as RedisUser,
    words: line.split(' '),
  }));
}

/**
 * Gives a Redis these users.
 *
 * @param environment for another than `dev` they have its name behind theirs
 * @returns its URL as one of them has it
 */
export async function paste(
  redis: RedisServer,
  lines: readonly RightsLine[],
  environment = 'dev',
): Promise<(user: RedisUser) => string> {
  const nameOf = (user: RedisUser) => (environment === 'dev' ? user : `${user}-${environment}`);
  for (const { user, words } of lines) {
    const [acl, setUser, , ...rules] = words;
    const own = rules.map((rule) => rule.replace(/(?<=^(%R)?[~&])dev:/, `${environment}:`));
    const answer = await redis.cli(acl!, setUser!, nameOf(user), ...own);
    if (answer !== 'OK') throw new Error(`${words.join(' ')}: ${answer}`);
  }
  return (user) => redis.url.replace('//', `//${nameOf(user)}:password-of-${user}@`);
}

/** Commands that users were refused since this Redis started. */
export async function refusedCommands(redis: RedisServer): Promise<readonly string[]> {
  const log = (await redis.cli('ACL', 'LOG')).split('\n');
  const commands = log.filter((_, index) => log[index - 1] === 'object');
  // From Redis 7.2 on, where node-redis says who it is.
  return commands.filter((command) => command !== 'client|setinfo');
}
