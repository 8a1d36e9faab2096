import { Feed, type Subscription } from '../ports/feed.js';
import { RedisSubscription, type RedisSubscriptionOptions } from './redis-subscription.js';
import type { StoreNames } from '../store-names.js';

export class RedisFeed extends Feed {
  private readonly subscriptions = new Set<RedisSubscription>();

  constructor(
    private readonly names: StoreNames,
    private readonly options: Omit<RedisSubscriptionOptions, 'channel'>,
  ) {
    super();
  }

  override subscribe(channel: string, listener: (message: string) => void): Subscription {
    const subscription = new RedisSubscription(
      { ...this.options, channel: this.names.channel(channel)! },
      listener,
    );
    this.subscriptions.add(subscription);
    return subscription;
  }

  /** Why subscriptions are not live, each reason once. */
  get problems(): readonly string[] {
    const troubles = [...this.subscriptions].map(({ trouble }) => trouble);
    return [...new Set(troubles.filter((trouble) => trouble !== undefined))].map(
      (trouble) => `subscribing fails: ${trouble}`,
    );
  }

  async close(): Promise<void> {
    await Promise.all([...this.subscriptions].map((subscription) => subscription.close()));
  }
}
