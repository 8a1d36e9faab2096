import type { OnApplicationShutdown } from '@nestjs/common';
import type { SharedStore, Subscription } from '@app/redis';
import { EPOCH_CHANNEL, parseEpochMessage } from '@app/user-token-client';
import type { ProcessTokenCache } from './process-token-cache.js';

/** Hears of revocations, and says whether it does. */
export class RevocationFeed implements OnApplicationShutdown {
  private cache: ProcessTokenCache | undefined;
  private readonly subscription: Subscription;

  constructor(store: SharedStore) {
    this.subscription = store.subscribe(EPOCH_CHANNEL, (message) => {
      const epoch = parseEpochMessage(message);
      if (epoch) this.cache?.onEpoch(epoch);
    });
    this.subscription.onChange(() => this.cache?.onFeedChange());
  }

  get live(): boolean {
    return this.subscription.live;
  }

  drive(cache: ProcessTokenCache): void {
    this.cache = cache;
  }

  async onApplicationShutdown(): Promise<void> {
    await this.subscription.close();
  }
}
