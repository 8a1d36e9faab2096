import type { SharedStore } from './shared-store.js';

/** For readiness: whether the store does everything that a service needs, and what is wrong if not. */
export function storeCheck(store: SharedStore): { readonly up: boolean; readonly detail?: string } {
  const { problems } = store;
  if (problems.length > 0) return { up: false, detail: problems.join('; ') };
  return store.available ? { up: true } : { up: false, detail: 'Redis is too slow at the moment' };
}
