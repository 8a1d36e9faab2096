import { KeyValues, type Write } from '../ports/key-values.js';
import type { StoreClock } from '../ports/server-facts.js';
import { PROMPT, type Wait } from '../ports/wait.js';
import type { StoreNames } from '../store-names.js';
import type { RedisCalls } from './connection/redis-calls.js';
import type { RedisClient } from './connection/redis-connection.js';
import { asValues } from './redis-replies.js';
import { commandsOf, expiry } from './redis-writes.js';

const DELETE_IF_EQUAL = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) else return 0 end`;
/** The key is the condition; an empty value means an absent key. Each command follows its number of words. */
const WRITE_IF_EQUAL = `
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
local at = 2
while at <= #ARGV do
  local last = at + tonumber(ARGV[at])
  redis.call(unpack(ARGV, at + 1, last))
  at = last + 1
end
return 1`;
/** Redis does nothing else while it answers one command. */
const MAX_BATCH_KEYS = 512;

/** Keys requested in one turn of the event loop: one command, and one deadline. */
interface ReadBatch {
  /** Each name once, however often it is requested, and its place in the command. */
  readonly places: Map<string, number>;
  readonly values: Promise<(string | null)[]>;
}

export class RedisKeyValues extends KeyValues {
  private batch: ReadBatch | undefined;

  constructor(
    private readonly calls: RedisCalls,
    private readonly names: StoreNames,
    private readonly clock: StoreClock,
  ) {
    super();
  }

  override async getMany(keys: readonly string[], wait: Wait = PROMPT): Promise<(string | null)[]> {
    const names = keys.map((key) => this.names.key(key));
    const batch = wait.mode === 'prompt' ? this.batchFor(keys.length) : undefined;
    const places = batch?.places ?? new Map<string, number>();
    const at = placesOf(names, places);
    const found = await (batch?.values ??
      this.calls.read((client) => valuesOf(client, [...places.keys()]), wait));
    return at.map((place) => found[place] ?? null);
  }

  override async set(key: string, value: string, { ttlMs }: { ttlMs: number }): Promise<void> {
    await this.calls.write((client) => client.set(this.names.own(key), value, expiry(ttlMs)));
  }

  override async setIfAbsent(key: string, value: string, { ttlMs }: { ttlMs: number }): Promise<boolean> {
    const name = this.names.key(key);
    if (name === undefined) return true;
    const reply = await this.calls.write((client) =>
      client.set(name, value, { ...expiry(ttlMs), condition: 'NX' }),
    );
    return reply === 'OK';
  }

  override async delete(key: string): Promise<void> {
    await this.calls.write((client) => client.del(this.names.own(key)));
  }

  override async deleteIfEqual(key: string, value: string): Promise<boolean> {
    const name = this.names.key(key);
    if (name === undefined) return false;
    const deleted = await this.calls.write((client) =>
      client.eval(DELETE_IF_EQUAL, { keys: [name], arguments: [value] }),
    );
    return deleted === 1;
  }

  override async writeAll(writes: readonly Write[], wait?: Wait): Promise<void> {
    await this.calls.write((client) => {
      const transaction = client.multi();
      for (const command of this.commandsOf(writes)) transaction.addCommand(command);
      return transaction.exec();
    }, wait);
  }

  override async writeAllIfEqual(
    key: string,
    value: string | null,
    writes: readonly Write[],
    wait?: Wait,
  ): Promise<boolean> {
    const name = this.names.key(key);
    if (name === undefined) return false;
    const words = this.commandsOf(writes).flatMap((command) => [String(command.length), ...command]);
    const written = await this.calls.write(
      (client) => client.eval(WRITE_IF_EQUAL, { keys: [name], arguments: [value ?? '', ...words] }),
      wait,
    );
    return written === 1;
  }

  private batchFor(count: number): ReadBatch {
    if (this.batch && this.batch.places.size + count <= MAX_BATCH_KEYS) return this.batch;
    const places = new Map<string, number>();
    const endOfTurn = new Promise<void>((resolve) =>
      setImmediate(() => {
        if (this.batch === batch) this.batch = undefined;
        resolve();
      }),
    );
    const values = this.calls.read((client) => endOfTurn.then(() => valuesOf(client, [...places.keys()])));
    const batch = { places, values };
    this.batch = batch;
    return batch;
  }

  private commandsOf(writes: readonly Write[]): string[][] {
    const nowMs = this.clock.nowMs();
    return writes.flatMap((write) => {
      const name = write.op === 'publish' ? this.names.channel(write.channel) : this.names.key(write.key);
      return name === undefined ? [] : commandsOf(write, name, nowMs);
    });
  }
}

/** -1 for a name that is not in use. */
function placesOf(names: readonly (string | undefined)[], places: Map<string, number>): number[] {
  return names.map((name) => {
    if (name === undefined) return -1;
    const place = places.get(name) ?? places.size;
    places.set(name, place);
    return place;
  });
}

async function valuesOf(client: RedisClient, names: string[]): Promise<(string | null)[]> {
  return names.length === 0 ? [] : asValues(await client.mGet(names), names.length);
}
