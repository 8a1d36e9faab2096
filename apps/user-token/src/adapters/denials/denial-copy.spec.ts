import { createHash } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { DenialCopy } from './denial-copy.js';
import { RETENTION_SECONDS } from './denial.js';

const NOW_SECONDS = 1_800_000_000;

describe('the copy of the denials', () => {
  let nowMs: number;
  const copyOf = (max: number) => new DenialCopy({ max, nowMs: () => nowMs });
  const hashed = (text: string) => createHash('sha256').update(text).digest('base64url');
  const token = (id: string, expiresAtSeconds = NOW_SECONDS + 600) => ({
    tokenId: hashed(id),
    subjectKey: hashed(`subject of ${id}`),
    expiresAtSeconds,
  });
  const subject = (revokedAtMs: number, issuedUntilSeconds = Math.floor(revokedAtMs / 1000)) => ({
    subjectKey: 'ada',
    revokedAtMs,
    issuedUntilSeconds,
    expiresAtSeconds: NOW_SECONDS + 600,
  });

  beforeEach(() => {
    nowMs = NOW_SECONDS * 1000;
  });

  it('keeps the denial of a token in less than 200 bytes', () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const copy = copyOf(1_000_000);
    const count = 65_000;
    collect();
    const before = process.memoryUsage().heapUsed;
    // As it arrives: out of JSON.
    for (let i = 0; i < count; i += 1) copy.learn(JSON.parse(JSON.stringify(token(String(i)))));
    collect();
    expect((process.memoryUsage().heapUsed - before) / count).toBeLessThan(200);
    expect(copy.size).toBe(count);
  });

  it('returns the denials that it learnt', () => {
    const copy = copyOf(10);
    const denials = [
      subject(5_000),
      token('a'),
      { admittedTokenId: 'b', afterMs: 3, expiresAtSeconds: NOW_SECONDS + 9 },
    ];
    for (const denial of denials) copy.learn(denial);
    expect([...copy.all()]).toEqual([denials[0], denials[2], denials[1]]);
  });

  it.each([
    ['the later one', [subject(2_000), subject(3_000)], 3_000],
    ['never an earlier one that arrives late', [subject(3_000), subject(2_000)], 3_000],
    ['the correction of one', [subject(3_000, 9), subject(3_000, 4), subject(3_000, 9)], 3_000, 4],
  ])('keeps, of several denials of a subject, %s', (_title, denials, revokedAtMs, issuedUntilSeconds = 3) => {
    const copy = copyOf(10);
    for (const denial of denials) copy.learn(denial);
    expect(copy.ofSubject('ada')).toMatchObject({ revokedAtMs, issuedUntilSeconds });
  });

  it('keeps a denial until an hour after the end of its token, then drops it as new ones arrive', () => {
    const copy = copyOf(1_000);
    copy.learn(token('ended', NOW_SECONDS + 60));
    nowMs += (60 + RETENTION_SECONDS) * 1000 - 1;
    for (let i = 0; i < 10; i += 1) copy.learn(token(`first-${i}`, NOW_SECONDS + 100_000));
    expect(copy.deniesToken(hashed('ended'))).toBe(true);
    nowMs += 1;
    for (let i = 0; i < 10; i += 1) copy.learn(token(`then-${i}`, NOW_SECONDS + 100_000));
    expect(copy.deniesToken(hashed('ended'))).toBe(false);
    expect(copy.size).toBe(20);
  });

  it('drops the oldest denials beyond its limit, and is incomplete then', () => {
    const copy = copyOf(100);
    for (let i = 0; i < 100; i += 1) copy.learn(token(String(i)));
    expect(copy.incomplete).toBe(false);
    copy.learn(token('100'));
    expect(copy.incomplete).toBe(true);
    expect(['0', '1', '100'].map((id) => copy.deniesToken(hashed(id)))).toEqual([false, true, true]);
    for (let i = 101; i < 1_000; i += 1) copy.learn(token(String(i)));
    expect(copy.size).toBe(100);
    expect(copy.deniesToken(hashed('900'))).toBe(true);
  });

  it('drops the denials of whole subjects last', () => {
    const copy = copyOf(10);
    copy.learn(subject(1_000));
    for (let i = 0; i < 50; i += 1) copy.learn(token(String(i)));
    expect(copy.ofSubject('ada')).toBeDefined();
  });

  it('is complete again after a reading of the store in which all fit', () => {
    const copy = copyOf(100);
    for (let i = 0; i < 200; i += 1) copy.learn(token(String(i), NOW_SECONDS + 60));
    expect([copy.incomplete, copy.hasRoomAgain]).toEqual([true, false]);
    nowMs += (61 + RETENTION_SECONDS) * 1000;
    copy.sweep(1_000);
    expect([copy.incomplete, copy.hasRoomAgain]).toEqual([true, true]);
    copy.beginReading();
    copy.learn(token('still', NOW_SECONDS + 100_000));
    expect(copy.incomplete).toBe(true);
    copy.endReading();
    expect(copy.incomplete).toBe(false);
  });
});
