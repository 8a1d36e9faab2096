import { StoreUnavailable } from '../ports/store-unavailable.js';

const PURGE_INTERVAL_MS = 30_000;

interface Entry {
  readonly value: string;
  readonly expiresAtMs: number;
}

/** The data of a store in this process. Every method throws {@link StoreUnavailable} after the end of the store. */
export class MemoryEntries {
  private readonly entries = new Map<string, Entry>();
  private readonly purge = setInterval(() => this.dropExpired(), PURGE_INTERVAL_MS).unref();
  private closed = false;

  get isOpen(): boolean {
    return !this.closed;
  }

  get(key: string): Entry | undefined {
    this.assertOpen();
    const entry = this.entries.get(key);
    if (entry && entry.expiresAtMs > Date.now()) return entry;
    this.entries.delete(key);
    return undefined;
  }

  set(key: string, value: string, expiresAtMs: number): void {
    this.assertOpen();
    this.entries.set(key, { value, expiresAtMs });
  }

  delete(key: string): boolean {
    this.assertOpen();
    return this.entries.delete(key);
  }

  keys(): string[] {
    this.assertOpen();
    return [...this.entries.keys()];
  }

  close(): void {
    this.closed = true;
    clearInterval(this.purge);
    this.entries.clear();
  }

  assertOpen(): void {
    if (this.closed) throw new StoreUnavailable('the store is closed');
  }

  private dropExpired(): void {
    for (const key of this.entries.keys()) this.get(key);
  }
}
