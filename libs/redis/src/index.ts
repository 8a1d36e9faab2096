export { isStoreUrl, openStore, type OpenStoreOptions } from './open-store.js';
export {
  SharedStore,
  StoreUnavailable,
  type CallOptions,
  type HoldableLimit,
  type Limit,
  type NoPlace,
  type StoreLog,
  type Subscription,
  type Write,
} from './shared-store.js';
