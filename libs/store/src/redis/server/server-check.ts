import { randomUUID } from 'node:crypto';
import { ErrorReply } from 'redis';
import type { RedisClient } from '../connection/redis-connection.js';
import { refusal, refusalCode, refusalIn, wordsOf } from '../connection/redis-refusal.js';
import { valueOf } from './server-info.js';
import type { StoreNames } from '../../store-names.js';

/**
 * Use of a store: `cache` for a guarded service, `clients` for a gateway with its OAuth clients in the store and for their command,
 * `everything` for user-token. docs/operations.md lists the rights of each.
 */
export type StoreUse = 'cache' | 'clients' | 'everything';

/** An attempt, in words, and its result. */
export type Try = readonly [what: string, done: Promise<unknown>];

const PROBE_MS = 2_000;
const MIN_MAJOR_VERSION = 7;
const MAX_PROBLEMS = 5;

/** Each command of our scripts that no other attempt covers. */
const SCRIPTS_OF_CLIENTS = `redis.call('GET', KEYS[1]) return redis.call('DEL', KEYS[1])`;
const SCRIPTS = `
redis.call('GET', KEYS[1]) redis.call('PTTL', KEYS[1]) redis.call('INCR', KEYS[1]) redis.call('DECR', KEYS[1])
redis.call('PEXPIRE', KEYS[1], ARGV[1]) redis.call('TIME')
return cjson.encode({ redis.call('DEL', KEYS[1]) })`;

/**
 * Finds by trying what the server behind this connection refuses or cannot do: one sentence each, none if all is well. Leaves
 * nothing behind for longer than two seconds.
 *
 * @param more attempts that have already started
 * @throws when the connection is lost meanwhile
 */
export async function problemsOf(
  client: RedisClient,
  names: StoreNames,
  use: StoreUse,
  more: readonly Try[] = [],
): Promise<readonly string[]> {
  const [info, tried] = await Promise.all([
    client.info('server').catch(refusal),
    Promise.all([...more, ...triesOf(client, names, use)].map(refusalOf)),
  ]);
  const refused = new Map<string, string>();
  for (const one of tried) {
    if (!one) continue;
    const code = refusalCode(one.words);
    // NOPERM differs for each command; any other refusal is the same for all.
    const key = code === 'NOPERM' ? one.words : code;
    if (!refused.has(key)) refused.set(key, `${one.what} is refused: ${one.words}`);
  }
  return [...shortcomingsOf(info), ...refused.values()].slice(0, MAX_PROBLEMS);
}

/** @throws any error that is no refusal */
async function refusalOf([what, done]: Try) {
  try {
    await done;
    return undefined;
  } catch (error) {
    const words = refusalIn(error) ?? (error instanceof ErrorReply ? wordsOf(error) : undefined);
    if (words === undefined) throw error;
    return { what, words };
  }
}

function triesOf(client: RedisClient, names: StoreNames, use: StoreUse): Try[] {
  const key = names.own(`probe:${randomUUID()}`);
  const set = names.own(`probe-set:${randomUUID()}`);
  const journal = names.own(`probe-journal:${randomUUID()}`);
  const channel = names.channel('probe')!;
  const expiration = { type: 'PX' as const, value: PROBE_MS };
  const cache: Try[] = [
    ['writing', client.set(key, '1', { expiration })],
    ['reading', client.mGet([key])],
  ];
  if (use === 'cache') return cache;
  const scanning: Try = ['scanning', client.scan('0', { MATCH: `${key}*`, COUNT: 1 })];
  if (use === 'clients')
    return [...cache, scanning, ['a script', client.eval(SCRIPTS_OF_CLIENTS, { keys: [key] })]];
  return [
    ...cache,
    scanning,
    ['counting', client.incr(key)],
    ['counting', client.decr(key)],
    ['reading one key', client.get(key)],
    ['reading an expiry', client.pTTL(key)],
    ['changing an expiry', client.pExpire(key, PROBE_MS, 'GT')],
    ['a sorted set', client.zAdd(set, { score: 1, value: 'x' })],
    ['an expiry', client.pExpire(set, PROBE_MS, 'NX')],
    ['a sorted set', client.zRange(set, '+inf', '(0', { BY: 'SCORE', REV: true })],
    ['a sorted set', client.zRemRangeByScore(set, '-inf', 0)],
    ['a sorted set', client.zRemRangeByRank(set, 0, -3)],
    ['a sorted set', client.zCard(set)],
    ['a sorted set', client.zRem(set, 'x')],
    ['a stream', client.xAdd(journal, '*', { value: 'x' })],
    ['an expiry', client.pExpire(journal, PROBE_MS)],
    ['a stream', client.xRevRange(journal, '+', '-', { COUNT: 1 })],
    ['a script', client.eval(SCRIPTS, { keys: [key], arguments: [String(PROBE_MS)] })],
    [
      'a transaction',
      client.multi().set(key, '1', { expiration }).publish(channel, '').del([key, set, journal]).exec(),
    ],
    ['publishing', client.publish(channel, '')],
    ['deleting', client.del([key, set, journal])],
  ];
}

function shortcomingsOf(info: unknown): string[] {
  const found: string[] = [];
  const version = valueOf(info, 'redis_version');
  if (version !== undefined && Number.parseInt(version, 10) < MIN_MAJOR_VERSION)
    found.push(`Redis ${version} is too old: 7.0 or newer is needed`);
  if (valueOf(info, 'redis_mode') === 'cluster')
    found.push('Redis runs in cluster mode, which is not supported: REDIS_URL must name a single server');
  return found;
}
