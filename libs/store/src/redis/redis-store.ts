import { JoinedStore, type SharedStore } from '../shared-store.js';
import type { StoreLog } from '../store-log.js';
import type { StoreNames } from '../store-names.js';
import { RedisCalls } from './connection/redis-calls.js';
import { RedisConnection, type RedisTarget } from './connection/redis-connection.js';
import { RedisCounters } from './redis-counters.js';
import { RedisFeed } from './redis-feed.js';
import { RedisJournal } from './redis-journal.js';
import { RedisKeyValues } from './redis-key-values.js';
import { RedisScan } from './redis-scan.js';
import { RedisSets } from './redis-sets.js';
import type { FormerNames } from './server/former-names.js';
import { RedisServer } from './server/redis-server.js';
import type { StoreUse } from './server/server-check.js';
import { ServerClock } from './server/server-clock.js';
import { ServerIdentity } from './server/server-identity.js';
import { ServerTrouble } from './server/server-trouble.js';

export interface RedisStoreOptions {
  readonly target: RedisTarget;
  readonly names: StoreNames;
  readonly use: StoreUse;
  readonly formerNames: FormerNames | undefined;
  /** Budget of a read, in milliseconds. */
  readonly readTimeoutMs: number;
  /** Budget of a write, in milliseconds. */
  readonly writeTimeoutMs: number;
  readonly log?: StoreLog | undefined;
}

/** A store on Redis: one connection for all commands, one for each subscription. */
export function openRedisStore(options: RedisStoreOptions): SharedStore {
  const { target, names, log } = options;
  const identity = new ServerIdentity();
  const clock = new ServerClock();
  const trouble = new ServerTrouble(log);
  const calls: RedisCalls = new RedisCalls({
    client: () => connection.client,
    readTimeoutMs: options.readTimeoutMs,
    writeTimeoutMs: options.writeTimeoutMs,
    onRefusal: (words) => trouble.refused(words),
  });
  const feed = new RedisFeed(names, {
    target,
    log,
    runId: () => identity.runId,
    onOtherServer: () => server.foundOtherServer(),
  });
  const server: RedisServer = new RedisServer({
    names,
    use: options.use,
    formerNames: options.formerNames,
    connection: () => connection,
    calls,
    identity,
    clock,
    trouble,
    feedProblems: () => feed.problems,
  });
  const connection: RedisConnection = new RedisConnection(
    target,
    'commands',
    {
      prepare: (client) => server.prepare(client),
      up: () => {
        calls.up();
        server.up();
      },
      down: () => server.down(),
      beat: (client) => server.beat(client),
      heartbeat: (sentAtMs) => calls.heartbeat(sentAtMs),
      doubts: () => server.doubts(),
      suits: (client) => server.suits(client),
    },
    log,
  );
  return new JoinedStore({
    keyValues: new RedisKeyValues(calls, names, clock),
    sets: new RedisSets(calls, names, clock),
    journal: new RedisJournal(calls, names),
    scan: new RedisScan(calls, names),
    counters: new RedisCounters(calls, names),
    feed,
    server,
    close: async () => {
      await Promise.all([connection.close(), feed.close()]);
    },
  });
}
