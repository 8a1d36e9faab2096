import { Journal, type JournalEntry } from '../ports/journal.js';
import type { Wait } from '../ports/wait.js';
import type { StoreNames } from '../store-names.js';
import type { RedisCalls } from './connection/redis-calls.js';
import { asEntries } from './redis-replies.js';

/** Streams with a length limit. */
export class RedisJournal extends Journal {
  constructor(
    private readonly calls: RedisCalls,
    private readonly names: StoreNames,
  ) {
    super();
  }

  override async lastEntries(
    key: string,
    { max, before }: { max: number; before?: string | undefined },
    wait?: Wait,
  ): Promise<readonly JournalEntry[]> {
    const name = this.names.key(key);
    if (name === undefined) return [];
    const end = before === undefined ? '+' : `(${before}`;
    return this.calls.read(
      async (client) => asEntries(await client.xRevRange(name, end, '-', { COUNT: max })),
      wait,
    );
  }
}
