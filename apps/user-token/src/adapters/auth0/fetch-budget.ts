import { UpstreamUnavailable } from '../../core/authorization-server.js';
import { JwksRefused } from './fetch-jwks.js';

export interface FetchLimit {
  readonly fetches: number;
  readonly seconds: number;
}

/** Limit and back-off of fetches, shared by one kind of tokens. */
export class FetchBudget {
  /** Latest last, at most as many as the limit allows. */
  private fetchesAtMs: readonly number[] = [];
  private failures = 0;
  private lastFailure: unknown;

  constructor(
    private readonly limit: FetchLimit,
    private readonly maxBackoffSeconds: number,
  ) {}

  /** Rest of the wait after failing fetches: twice as long each time, and at least as long as the server says. */
  get retryAfterSeconds(): number {
    if (this.failures === 0) return 0;
    const { lastFailure } = this;
    const toldSeconds = lastFailure instanceof JwksRefused ? (lastFailure.retryAfterSeconds ?? 0) : 0;
    const waitSeconds = Math.max(toldSeconds, 2 ** (this.failures - 1));
    return Math.min(this.maxBackoffSeconds, waitSeconds) - secondsSince(this.fetchesAtMs.at(-1));
  }

  get unknownKeyAfterSeconds(): number {
    const { fetches, seconds } = this.limit;
    return Math.max(this.retryAfterSeconds, seconds - secondsSince(this.fetchesAtMs.at(-fetches)));
  }

  begin(atMs: number): void {
    this.fetchesAtMs = [...this.fetchesAtMs, atMs].slice(-this.limit.fetches);
  }

  succeeded(): void {
    this.failures = 0;
  }

  failed(error: unknown): void {
    this.failures += 1;
    this.lastFailure = error;
  }

  notYet(waitSeconds: number): UpstreamUnavailable {
    return new UpstreamUnavailable(
      'the signing keys of the authorization server may not be fetched again yet',
      Math.max(1, Math.ceil(waitSeconds)),
      this.failures > 0 ? { cause: this.lastFailure } : {},
    );
  }
}

function secondsSince(atMs = Number.NEGATIVE_INFINITY): number {
  return (performance.now() - atMs) / 1000;
}
