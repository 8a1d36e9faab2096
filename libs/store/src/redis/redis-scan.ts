import { Scan } from '../ports/scan.js';
import type { StoreNames } from '../store-names.js';
import type { RedisCalls } from './connection/redis-calls.js';

const SCAN_BATCH = 500;

export class RedisScan extends Scan {
  constructor(
    private readonly calls: RedisCalls,
    private readonly names: StoreNames,
  ) {
    super();
  }

  override async *scan(prefix: string): AsyncIterable<{ key: string; value: string }> {
    const start = this.names.key(prefix);
    if (start === undefined) return;
    let cursor = '0';
    do {
      // As writes: a scan is no request, and has time.
      const page = await this.calls.write((client) =>
        client.scan(cursor, { MATCH: `${start}*`, COUNT: SCAN_BATCH }),
      );
      cursor = page.cursor;
      const values = page.keys.length > 0 ? await this.calls.write((client) => client.mGet(page.keys)) : [];
      for (const [index, name] of page.keys.entries()) {
        const value = values[index];
        if (value != null) yield { key: this.names.keyOf(name, prefix), value };
      }
    } while (cursor !== '0');
  }
}
