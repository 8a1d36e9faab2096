/** All keys, at the price of a look at each: for what no request waits for. */
export abstract class Scan {
  /** Every key with this prefix that exists throughout the scan; keys added or deleted meanwhile may be missed. */
  abstract scan(prefix: string): AsyncIterable<{ readonly key: string; readonly value: string }>;
}
