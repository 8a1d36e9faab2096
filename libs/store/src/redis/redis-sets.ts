import type { StoreClock } from '../ports/server-facts.js';
import { Sets } from '../ports/sets.js';
import type { Wait } from '../ports/wait.js';
import type { StoreNames } from '../store-names.js';
import type { RedisCalls } from './connection/redis-calls.js';

/** Sorted sets, by the time at which each member expires. */
export class RedisSets extends Sets {
  constructor(
    private readonly calls: RedisCalls,
    private readonly names: StoreNames,
    private readonly clock: StoreClock,
  ) {
    super();
  }

  override async members(key: string, wait?: Wait): Promise<readonly string[]> {
    const name = this.names.key(key);
    if (name === undefined) return [];
    return this.calls.read(
      (client) => client.zRange(name, '+inf', `(${this.clock.nowMs()}`, { BY: 'SCORE', REV: true }),
      wait,
    );
  }
}
