import { StoreUnavailable } from '../../ports/store-unavailable.js';
import { PROMPT, type Wait } from '../../ports/wait.js';
import { Overrun, within, type RedisClient } from './redis-connection.js';
import { refusalIn } from './redis-refusal.js';

export interface RedisCallsOptions {
  /** The client that is ready; undefined while none is. */
  readonly client: () => RedisClient | undefined;
  /** Budget of a read, in milliseconds. */
  readonly readTimeoutMs: number;
  /** Budget of a write, in milliseconds: longer, because a write has no fallback. */
  readonly writeTimeoutMs: number;
  /** Gets the words of each refusal. */
  readonly onRefusal: (words: string) => void;
}

type Command<T> = (client: RedisClient) => Promise<T>;

/**
 * Calls of Redis, with a budget on each and a breaker on the reads.
 *
 * The breaker needs no thresholds: the first read that overruns its budget opens it, and prompt reads fail at once until a
 * later heartbeat has its answer within that budget. Writes always go out, with their own longer budget.
 */
export class RedisCalls {
  /** When the breaker opened (performance.now()); undefined while it is closed. */
  private openedAtMs: number | undefined;

  constructor(private readonly options: RedisCallsOptions) {}

  /** Whether a prompt read would go out now. */
  get available(): boolean {
    return this.options.client() !== undefined && this.openedAtMs === undefined;
  }

  read<T>(command: Command<T>, wait = PROMPT): Promise<T> {
    if (wait.mode === 'prompt' && this.openedAtMs !== undefined)
      return Promise.reject(new StoreUnavailable('Redis is too slow at the moment'));
    return this.call(command, budgetOf(wait, this.options.readTimeoutMs), () => {
      this.openedAtMs ??= performance.now();
    });
  }

  write<T>(command: Command<T>, wait = PROMPT): Promise<T> {
    return this.call(command, budgetOf(wait, this.options.writeTimeoutMs));
  }

  /** There is a new connection. */
  up(): void {
    this.openedAtMs = undefined;
  }

  /** A heartbeat sent at `sentAtMs` (performance.now()) has been answered just now. */
  heartbeat(sentAtMs: number): void {
    if (this.openedAtMs === undefined || sentAtMs < this.openedAtMs) return;
    if (performance.now() - sentAtMs < this.options.readTimeoutMs) this.openedAtMs = undefined;
  }

  private async call<T>(command: Command<T>, timeoutMs: number, onOverrun?: () => void): Promise<T> {
    const client = this.options.client();
    if (!client) throw new StoreUnavailable('Redis is away');
    try {
      return await within(timeoutMs, command(client));
    } catch (error) {
      if (error instanceof Overrun) onOverrun?.();
      const refused = refusalIn(error);
      if (refused !== undefined) this.options.onRefusal(refused);
      throw new StoreUnavailable('Redis gave no answer or refused', { cause: error });
    }
  }
}

function budgetOf(wait: Wait, budgetMs: number): number {
  return wait.mode === 'patient' ? wait.forMs : budgetMs;
}
