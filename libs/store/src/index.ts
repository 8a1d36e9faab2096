export { openStore, type OpenStoreOptions } from './open-store.js';
export { isTlsInVain, storeUrlProblem, type RedisTls } from './redis/redis-address.js';
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
export { storeCheck } from './store-check.js';
export { bareName, formerName, storePrefix } from './store-names.js';
