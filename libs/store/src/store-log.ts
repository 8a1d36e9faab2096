/** Log of a store's outages and returns, one line each. */
export interface StoreLog {
  info(message: string): void;
  warn(message: string): void;
}
