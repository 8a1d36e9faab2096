/** All keys with a prefix. It costs a look at every key of the server, so no request may wait for it. */
export abstract class Scan {
  /** Every key with this prefix that exists throughout the scan; keys added or deleted meanwhile may be missed. */
  abstract scan(prefix: string): AsyncIterable<{ readonly key: string; readonly value: string }>;
}
