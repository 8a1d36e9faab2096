import type { ServerFacts } from '@app/store';
import type { Log } from '../../core/log.js';

/** Logs, each time the store becomes available, which of its settings could lose denials. @returns a function that ends this */
export function reportWeaknesses(store: ServerFacts, log: Log): () => void {
  const report = async () => {
    for (const weakness of await store.weaknesses())
      log.warn({}, `Redis can lose what was revoked: ${weakness}`);
  };
  return store.onAvailable(() => void report().catch(() => undefined));
}
