import { SendWindow, type MarkRead } from './send-window.js';

describe('SendWindow', () => {
  let window: SendWindow;
  let receipts: MarkRead[];
  const entered: string[] = [];
  const reads = new Map<string, MarkRead>();
  const failures: string[] = [];

  beforeEach(() => {
    receipts = [];
    window = new SendWindow(100, () => receipts.push(window.mark()));
    entered.length = failures.length = 0;
    reads.clear();
  });

  const enter = (name: string, chars: number) =>
    window.room(chars).subscribe({
      next: (markRead) => {
        entered.push(name);
        reads.set(name, markRead);
      },
      error: (error: Error) => failures.push(`${name}: ${error.message}`),
    });

  it('lets in fitting messages at once, and asks for a receipt when a sender has to wait', () => {
    enter('a', 60);
    enter('b', 40);
    expect([entered, receipts.length]).toEqual([['a', 'b'], 0]);
    enter('c', 1);
    expect([entered, receipts.length]).toEqual([['a', 'b'], 1]);
  });

  it('lets in waiting senders, in order, once earlier messages are read', () => {
    enter('a', 100);
    for (const name of ['b', 'c', 'd']) enter(name, 50);
    receipts.at(-1)!();
    expect(entered).toEqual(['a', 'b', 'c']);
    receipts.at(-1)!();
    expect(entered).toEqual(['a', 'b', 'c', 'd']);
  });

  it('learns from an answer that everything sent before its question was read', () => {
    for (const name of ['slow', 'slower']) enter(name, 40);
    enter('fast', 20);
    enter('waits', 100);
    reads.get('fast')!();
    expect(entered).toContain('waits');
  });

  it('does not count an old answer as a receipt of later messages', () => {
    enter('a', 100);
    enter('b', 100);
    const [old] = receipts;
    old!();
    enter('c', 100);
    old!();
    reads.get('a')!();
    expect(entered).toEqual(['a', 'b']);
  });

  it('asks again when a receipt covered nothing new and a sender still waits', () => {
    enter('a', 100);
    enter('b', 100);
    enter('c', 100);
    const first = receipts[0]!;
    reads.get('a')!();
    expect(entered).toEqual(['a', 'b']);
    const asked = receipts.length;
    first();
    expect(receipts.length).toBeGreaterThan(asked);
    receipts.at(-1)!();
    expect(entered).toEqual(['a', 'b', 'c']);
  });

  it('lets in the senders behind one that gives up', () => {
    enter('a', 60);
    const big = enter('big', 90);
    enter('small', 40);
    expect(entered).toEqual(['a']);
    big.unsubscribe();
    expect(entered).toEqual(['a', 'small']);
  });

  it('gives the room of a sender that gave up to another one', () => {
    enter('a', 100);
    const [b, c] = [enter('b', 100), enter('c', 100)];
    enter('d', 100);
    c.unsubscribe();
    b.unsubscribe();
    receipts.at(-1)!();
    expect(entered).toEqual(['a', 'd']);
  });

  it('forgets messages under way on a lost connection', () => {
    enter('a', 100);
    enter('b', 80);
    window.reset();
    expect(entered).toEqual(['a', 'b']);
    // Earlier messages do not count twice.
    reads.get('a')!();
    enter('c', 30);
    expect(entered).toEqual(['a', 'b']);
  });

  it('lets in a message larger than itself alone', () => {
    enter('a', 10);
    enter('huge', 1_000);
    enter('b', 1);
    receipts.at(-1)!();
    expect(entered).toEqual(['a', 'huge']);
    reads.get('huge')!();
    expect(entered).toEqual(['a', 'huge', 'b']);
  });

  it('lets in all waiting senders, even if some fail or give up at once', () => {
    enter('a', 100);
    for (const name of ['b', 'c', 'd', 'e']) {
      const entering = window.room(50).subscribe(() => {
        entered.push(name);
        // The next one is let in meanwhile.
        window.reset();
        entering?.unsubscribe();
      });
    }
    window.reset();
    expect(entered).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  it('fails waiting and new senders once it is closed', () => {
    enter('a', 100);
    enter('b', 1);
    enter('c', 1);
    window.close(new Error('closed'));
    enter('d', 1);
    expect([entered, failures]).toEqual([['a'], ['b: closed', 'c: closed', 'd: closed']]);
  });

  it('lets no sender wait for ever, in whatever order they come, give up and are read', () => {
    // A generator of pseudo-random numbers, so that a failure can be repeated (Numerical Recipes).
    let seed = 1;
    const random = (below: number) => (seed = (seed * 1_664_525 + 1_013_904_223) % 2 ** 32) % below;
    const waiting = new Map<number, { unsubscribe(): void }>();
    const marks: MarkRead[] = [];
    for (let step = 0; step < 20_000; step += 1) {
      const action = random(5);
      if (action < 2) {
        const caller = window.room(1 + random(120)).subscribe((markRead) => {
          waiting.delete(step);
          marks.push(markRead);
        });
        if (!caller.closed) waiting.set(step, caller);
      } else if (action === 2 && waiting.size > 0) {
        const [id, caller] = [...waiting][random(waiting.size)]!;
        waiting.delete(id);
        caller.unsubscribe();
      } else if (action === 3) marks.splice(random(marks.length + 1), 1)[0]?.();
      else if (random(20) === 0) window.reset();
      // Every waiting sender has a receipt under way.
      if (waiting.size > 0) expect(receipts.length).toBeGreaterThan(0);
    }
    while (waiting.size > 0) {
      const left = waiting.size;
      receipts.at(-1)!();
      expect(waiting.size).toBeLessThan(left);
    }
  });
});
