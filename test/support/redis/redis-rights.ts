import { readFile } from 'node:fs/promises';
import type { RedisServer } from './redis-server.js';

/** Kinds of services, by the names of their users in docs/operations.md. */
export type RedisUser = 'user-token' | 'guard' | 'gateway';

/** A line of docs/operations.md with the rights of a user, for pasting. */
export interface RightsLine {
  readonly user: RedisUser;
  readonly words: readonly string[];
}

/** First one line for each user; then the additions for data of versions without a prefix of names. */
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
 * @param environment for another one than `dev`, its name follows theirs
 * @returns a function for the URL of one of these users
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

/** Refused commands of all users since the start of this Redis. */
export async function refusedCommands(redis: RedisServer): Promise<readonly string[]> {
  const log = (await redis.cli('ACL', 'LOG')).split('\n');
  const commands = log.filter((_, index) => log[index - 1] === 'object');
  // From Redis 7.2 on, node-redis sends its name.
  return commands.filter((command) => command !== 'client|setinfo');
}
