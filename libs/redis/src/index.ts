export { isStoreUrl, openStore, type OpenStoreOptions } from './open-store.js';
export {
  SharedStore,
  StoreUnavailable,
  type CallOptions,
  type Limit,
  type StoreLog,
  type Subscription,
  type Write,
} from './shared-store.js';
