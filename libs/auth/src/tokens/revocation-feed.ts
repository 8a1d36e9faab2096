import type { OnApplicationShutdown } from '@nestjs/common';
import type { Feed, Subscription } from '@app/store';
import { EPOCH_CHANNEL, parseEpochMessage, type EpochMessage } from '@app/contract';

export interface RevocationListener {
  /** The epoch of a subject has changed. */
  onEpoch(message: EpochMessage): void;
  /** The process stopped hearing of revocations, or hears of them again. */
  onFeedChange(): void;
}

/** Delivers revocations, and says whether it is live. */
export class RevocationFeed implements OnApplicationShutdown {
  private readonly listeners: RevocationListener[] = [];
  private readonly subscription: Subscription;

  constructor(store: Feed) {
    this.subscription = store.subscribe(EPOCH_CHANNEL, (message) => {
      const epoch = parseEpochMessage(message);
      if (epoch) for (const listener of this.listeners) listener.onEpoch(epoch);
    });
    this.subscription.onChange(() => {
      for (const listener of this.listeners) listener.onFeedChange();
    });
  }

  get live(): boolean {
    return this.subscription.live;
  }

  /** In the order of registration. */
  tell(listener: RevocationListener): void {
    this.listeners.push(listener);
  }

  async onApplicationShutdown(): Promise<void> {
    await this.subscription.close();
  }
}
