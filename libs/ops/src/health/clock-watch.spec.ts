import { ClockWatch } from './clock-watch.js';

describe('a watch on another clock', () => {
  it.each([
    [undefined, undefined, []],
    [0, 'the clock agrees with that of user-token', []],
    [-1_999, 'the clock agrees with that of user-token', []],
    [2_000, 'the clock is 2 s behind that of user-token', [/2 s behind .*NTP/]],
    [-31_200, 'the clock is 31 s ahead of that of user-token', [/31 s ahead .*NTP/]],
  ])('tells of %p ms in readiness, and from two seconds on once in the log', (skewMs, detail, expected) => {
    const lines: string[] = [];
    const log = {
      info: (text: string) => lines.push(text),
      warn: (_: object, text: string) => lines.push(text),
    };
    const watch = new ClockWatch(() => skewMs, 'user-token', log);
    for (let i = 0; i < 3; i += 1)
      expect(watch.check()).toEqual({ up: true, ...(detail !== undefined && { detail }) });
    watch.close();
    expect(lines).toEqual(expected.map((pattern) => expect.stringMatching(pattern)));
  });

  it('says when the clocks agree again', () => {
    const lines: string[] = [];
    const log = {
      info: (text: string) => lines.push(text),
      warn: (_: object, text: string) => lines.push(text),
    };
    let skewMs = 5_000;
    const watch = new ClockWatch(() => skewMs, 'Redis', log);
    watch.check();
    skewMs = 100;
    watch.check();
    watch.close();
    expect(lines).toEqual([expect.stringContaining('5 s behind'), 'the clock agrees with that of Redis']);
  });
});
