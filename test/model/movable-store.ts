import {
  StoreUnavailable,
  type Feed,
  type Journal,
  type JournalEntry,
  type KeyValues,
  type Scan,
  type ServerFacts,
  type Subscription,
  type Write,
} from '@app/store';

type Listener = (message: string) => void;

/** A Redis under the control of the spec: it dies, fills up, forgets, comes back older, and has the only clock. */
export class MovableRedis {
  data = new Map<string, string>();
  nowMs = 1_800_000_000_000;
  isFull = false;
  private isUp = true;
  private starts = 1;
  private snapshot = new Map<string, string>();
  readonly stores = new Set<MovableStore>();
  readonly channels = new Map<string, Set<Listener>>();

  get serverId(): string | undefined {
    return this.isUp ? `run-${this.starts}.history` : undefined;
  }

  save(): void {
    this.snapshot = new Map(this.data);
  }

  kill(): void {
    if (!this.isUp) return;
    this.isUp = false;
    for (const store of this.stores) store.disconnected();
  }

  /** A new server with the data of the last one, with saved data, or empty. */
  start(from: 'all' | 'snapshot' | 'nothing'): void {
    this.kill();
    if (from !== 'all') this.data = new Map(from === 'snapshot' ? this.snapshot : []);
    this.starts += 1;
    this.isUp = true;
    for (const store of this.stores) setImmediate(() => this.isUp && store.connected());
  }
}

/** One process's connection to it. Every call takes some turns of the event loop, so that others come in between. */
export class MovableStore implements KeyValues, Journal, Scan, Feed, ServerFacts {
  readonly shared = true;
  readonly problems = [];
  readonly takesWrites = true;
  /** Answers too late for callers that cannot wait. No event tells the end of this. */
  isSlow = false;
  /** How often all keys were read. */
  scans = 0;
  private isDeaf = false;
  private isConnected = true;
  private isClosed = false;
  private readonly lost: (() => void)[] = [];
  private readonly changed: ((live: boolean) => void)[] = [];
  private readonly availableListeners = new Set<() => void>();

  constructor(private readonly redis: MovableRedis) {
    redis.stores.add(this);
  }

  get available(): boolean {
    return this.isConnected && !this.isSlow && !this.isClosed && this.redis.serverId !== undefined;
  }

  get serverId(): string | undefined {
    return this.available ? this.redis.serverId : undefined;
  }

  nowMs(): number {
    return this.redis.nowMs;
  }

  disconnected(): void {
    this.isConnected = false;
    for (const listener of this.lost) listener();
    for (const listener of this.changed) listener(false);
  }

  connected(): void {
    this.isConnected = true;
    for (const listener of this.availableListeners) listener();
    for (const listener of this.changed) listener(true);
  }

  /** Loses the connection of its subscriptions, while everything else works. */
  deafen(): void {
    this.isDeaf = true;
    for (const listener of this.lost) listener();
    for (const listener of this.changed) listener(false);
  }

  hearAgain(): void {
    this.isDeaf = false;
    for (const listener of this.changed) listener(true);
  }

  getMany(keys: readonly string[]): Promise<(string | null)[]> {
    return this.call(() => keys.map((key) => this.redis.data.get(key) ?? null));
  }

  writeAll(writes: readonly Write[]): Promise<void> {
    return this.write(() => this.apply(writes));
  }

  writeAllIfEqual(key: string, value: string | null, writes: readonly Write[]): Promise<boolean> {
    return this.write(() => {
      if ((this.redis.data.get(key) ?? null) !== value) return false;
      this.apply(writes);
      return true;
    });
  }

  set(key: string, value: string): Promise<void> {
    return this.write(() => void this.redis.data.set(key, value));
  }

  async *scan(prefix: string): AsyncIterable<{ key: string; value: string }> {
    this.scans += 1;
    const keys = await this.call(() => [...this.redis.data.keys()].filter((key) => key.startsWith(prefix)));
    for (const key of keys) {
      const value = await this.call(() => this.redis.data.get(key));
      if (value !== undefined) yield { key, value };
    }
  }

  lastEntries(
    key: string,
    { max, before }: { readonly max: number; readonly before?: string | undefined },
  ): Promise<readonly JournalEntry[]> {
    return this.call(() => {
      const entries = journalIn(this.redis.data.get(key));
      const end = before === undefined ? entries.length : entries.findIndex(({ id }) => id === before);
      return entries.slice(Math.max(0, end - max), Math.max(0, end)).reverse();
    });
  }

  subscribe(channel: string, listener: Listener): Subscription {
    const listeners = this.redis.channels.get(channel) ?? new Set();
    const isLive = () => this.available && !this.isDeaf;
    const heard: Listener = (message) => isLive() && listener(message);
    this.redis.channels.set(channel, listeners.add(heard));
    return {
      get live() {
        return isLive();
      },
      onChange: (told) => void this.changed.push(told),
      onLost: (told) => void this.lost.push(told),
      close: async () => void listeners.delete(heard),
    };
  }

  onAvailable(listener: () => void): () => void {
    this.availableListeners.add(listener);
    if (this.available) setImmediate(listener);
    return () => void this.availableListeners.delete(listener);
  }

  async keepsWrites(): Promise<boolean> {
    return false;
  }

  async weaknesses(): Promise<readonly string[]> {
    return [];
  }

  async close(): Promise<void> {
    this.isClosed = true;
    this.redis.stores.delete(this);
  }

  setIfAbsent = notAsked;
  delete = notAsked;
  deleteIfEqual = notAsked;

  private apply(writes: readonly Write[]): void {
    for (const write of writes) {
      if (write.op === 'set') this.redis.data.set(write.key, write.value);
      if (write.op === 'append') {
        const entries = journalIn(this.redis.data.get(write.key));
        const id = String(Number(entries.at(-1)?.id ?? 0) + 1);
        const kept = [...entries, { id, value: write.value }].slice(-write.max);
        this.redis.data.set(write.key, JSON.stringify(kept));
      }
      if (write.op === 'publish')
        for (const listener of this.redis.channels.get(write.channel) ?? [])
          setImmediate(listener, write.message);
    }
  }

  private write<T>(work: () => T): Promise<T> {
    return this.call(() => {
      if (this.redis.isFull) throw new StoreUnavailable('it is full');
      return work();
    });
  }

  /** The answer comes from the server of the question, or not at all. */
  private async call<T>(work: () => T): Promise<T> {
    const { serverId } = this;
    await turn();
    if (serverId === undefined || serverId !== this.serverId) throw new StoreUnavailable('it is away');
    const answer = work();
    await turn();
    if (serverId !== this.serverId) throw new StoreUnavailable('it went away');
    return answer;
  }
}

function journalIn(value: string | undefined): JournalEntry[] {
  return value === undefined ? [] : (JSON.parse(value) as JournalEntry[]);
}

export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function notAsked(): never {
  throw new Error('this spec does not need this call of the store');
}
