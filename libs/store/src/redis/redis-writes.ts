import type { Write } from '../ports/key-values.js';

export function expiry(ttlMs: number) {
  return { expiration: { type: 'PX' as const, value: wholeMs(ttlMs) } };
}

/**
 * The commands of one write.
 *
 * @param name of the key or channel, as Redis knows it
 * @param nowMs by the store's clock
 */
export function commandsOf(write: Write, name: string, nowMs: number): string[][] {
  switch (write.op) {
    case 'set':
      return [['SET', name, write.value, 'PX', String(wholeMs(write.ttlMs))]];
    case 'delete':
      return [['DEL', name]];
    case 'publish':
      return [['PUBLISH', name, write.message]];
    case 'addMember':
      return [
        ['ZADD', name, String(wholeMs(nowMs + write.ttlMs)), write.member],
        ['ZREMRANGEBYSCORE', name, '-inf', String(nowMs)],
        ['ZREMRANGEBYRANK', name, '0', String(-1 - write.max)],
        // GT keeps the longer expiry, so that a later, shorter-lived member cannot end the set early.
        ['PEXPIRE', name, String(wholeMs(write.ttlMs)), 'GT'],
        ['PEXPIRE', name, String(wholeMs(write.ttlMs)), 'NX'],
      ];
    case 'removeMember':
      return [['ZREM', name, write.member]];
    case 'append':
      return [['XADD', name, 'MAXLEN', '~', String(write.max), '*', 'value', write.value]];
  }
}

function wholeMs(ttlMs: number): number {
  return Math.max(1, Math.ceil(ttlMs));
}
