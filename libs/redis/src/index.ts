export { openStore, type OpenStoreOptions } from './open-store.js';
export { redisTlsProblem, storeUrlProblem, type RedisTls } from './redis-address.js';
export { type FormerNames } from './redis-store.js';
export { type StoreUse } from './server-check.js';
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
export { bareName, formerName, storePrefix, type StoreScope } from './store-names.js';
