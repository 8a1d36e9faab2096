import type { Wait } from './wait.js';

/** Sets whose members expire one by one. {@link KeyValues} writes them, in its transactions. */
export abstract class Sets {
  /** Members that have not expired, the last to expire first. */
  abstract members(key: string, wait?: Wait): Promise<readonly string[]>;
}
