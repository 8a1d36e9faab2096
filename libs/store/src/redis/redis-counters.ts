import { Counters, type HoldableLimit, type Limit, type NoPlace } from '../ports/counters.js';
import type { StoreNames } from '../store-names.js';
import type { RedisCalls } from './connection/redis-calls.js';
import { asNumber } from './redis-replies.js';

/** Arguments: the window, then the limit of each key. Answers 0, or the milliseconds until the reached limit is lifted. */
const COUNT_ALL = `
local wait = 0
for i, key in ipairs(KEYS) do
  if tonumber(redis.call('GET', key) or 0) >= tonumber(ARGV[i + 1]) then wait = math.max(wait, redis.call('PTTL', key), 1) end
end
if wait > 0 then return wait end
for _, key in ipairs(KEYS) do
  if redis.call('INCR', key) == 1 then redis.call('PEXPIRE', key, ARGV[1]) end
end
return 0`;
/**
 * Keys: for each limit the key of the count, then that of the holders, sorted by the end of their place. Arguments: holder, lease, then
 * each limit. Answers as {@link COUNT_ALL} does, and -1 where held places are in the way.
 */
const HOLD_ALL = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local wait, full = 0, false
for i = 1, #KEYS, 2 do
  local max, counted = tonumber(ARGV[2 + (i + 1) / 2]), tonumber(redis.call('GET', KEYS[i]) or 0)
  redis.call('ZREMRANGEBYSCORE', KEYS[i + 1], '-inf', now)
  if counted >= max then wait = math.max(wait, redis.call('PTTL', KEYS[i]), 1)
  elseif counted + redis.call('ZCARD', KEYS[i + 1]) >= max then full = true end
end
if wait > 0 then return wait end
if full then return -1 end
for i = 2, #KEYS, 2 do
  redis.call('ZADD', KEYS[i], now + ARGV[2], ARGV[1])
  redis.call('PEXPIRE', KEYS[i], ARGV[2])
end
return 0`;
/** Keys as above. Arguments: holder, and how long to count; 0 means not at all. */
const GIVE_UP_ALL = `
for i = 1, #KEYS, 2 do
  redis.call('ZREM', KEYS[i + 1], ARGV[1])
  if ARGV[2] ~= '0' and redis.call('INCR', KEYS[i]) == 1 then redis.call('PEXPIRE', KEYS[i], ARGV[2]) end
end
return 0`;
const UNCOUNT_ALL = `
for _, key in ipairs(KEYS) do
  if tonumber(redis.call('GET', key) or 0) > 0 then redis.call('DECR', key) end
end
return 0`;

export class RedisCounters extends Counters {
  constructor(
    private readonly calls: RedisCalls,
    private readonly names: StoreNames,
  ) {
    super();
  }

  override async countAll(
    limits: readonly Limit[],
    { windowMs }: { windowMs: number },
  ): Promise<number | undefined> {
    const keys = limits.map(({ key }) => this.names.own(key));
    const waitMs = await this.run(COUNT_ALL, keys, [windowMs, ...limits.map(({ max }) => max)]);
    return waitMs === 0 ? undefined : waitMs;
  }

  override async holdAll(
    limits: readonly HoldableLimit[],
    { holder, leaseMs }: { holder: string; leaseMs: number },
  ): Promise<NoPlace | undefined> {
    const words = [holder, leaseMs, ...limits.map(({ max }) => max)];
    const waitMs = await this.run(HOLD_ALL, this.keysOf(limits), words);
    if (waitMs === 0) return undefined;
    return waitMs < 0 ? { reason: 'held' } : { reason: 'counted', waitMs };
  }

  override async giveUpAll(
    limits: readonly HoldableLimit[],
    { holder, countForMs = 0 }: { holder: string; countForMs?: number | undefined },
  ): Promise<void> {
    await this.run(GIVE_UP_ALL, this.keysOf(limits), [holder, countForMs]);
  }

  override async uncountAll(keys: readonly string[]): Promise<void> {
    await this.run(
      UNCOUNT_ALL,
      keys.map((key) => this.names.own(key)),
      [],
    );
  }

  private run(script: string, keys: string[], words: readonly (string | number)[]): Promise<number> {
    return this.calls.write(async (client) =>
      asNumber(await client.eval(script, { keys, arguments: words.map(String) })),
    );
  }

  private keysOf(limits: readonly HoldableLimit[]): string[] {
    return limits.flatMap(({ key, heldKey }) => [this.names.own(key), this.names.own(heldKey)]);
  }
}
