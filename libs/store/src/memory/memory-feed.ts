import { Feed, type Subscription } from '../ports/feed.js';

export class MemoryFeed extends Feed {
  private readonly listeners = new Map<string, Set<(message: string) => void>>();

  override subscribe(channel: string, listener: (message: string) => void): Subscription {
    const listeners = this.listeners.get(channel) ?? new Set();
    this.listeners.set(channel, listeners.add(listener));
    return {
      live: true,
      onChange: () => undefined,
      onLost: () => undefined,
      close: async () => void listeners.delete(listener),
    };
  }

  /** Delivers at once: a listener in this process cannot lag behind a write. */
  publish(channel: string, message: string): void {
    for (const listener of this.listeners.get(channel) ?? []) listener(message);
  }

  close(): void {
    this.listeners.clear();
  }
}
