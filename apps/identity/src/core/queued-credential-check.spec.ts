import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import { CredentialCheck, type Credentials, type CredentialVerdict } from './credential-check.js';
import { Overloaded } from './overloaded.js';
import { QueuedCredentialCheck } from './queued-credential-check.js';

/** Checks that the spec ends. */
class HeldCheck extends CredentialCheck {
  readonly held: {
    username: string;
    end: (verdict: CredentialVerdict) => void;
    fail: (error: Error) => void;
  }[] = [];

  override check({ username }: Credentials): Promise<CredentialVerdict> {
    return new Promise((end, fail) => this.held.push({ username, end, fail }));
  }
}

const credentials = (username: string): Credentials => ({ username, password: 'p', realm: 'r' });
const NO = { ok: false } as const;

describe('QueuedCredentialCheck', () => {
  let inner: HeldCheck;
  const running = () => inner.held.map(({ username }) => username);

  beforeEach(() => {
    inner = new HeldCheck();
  });

  it('runs two at once, fewer than libuv has threads, and the others in turn', async () => {
    const check = new QueuedCredentialCheck(inner);
    const verdicts = ['a', 'b', 'c', 'd'].map((name) => check.check(credentials(name)));
    await turn();
    expect(running()).toEqual(['a', 'b']);
    inner.held[1]!.end(NO);
    await verdicts[1];
    await turn();
    expect(running()).toEqual(['a', 'b', 'c']);
    inner.held[0]!.end(NO);
    inner.held[2]!.end(NO);
    await turn();
    expect(running()).toEqual(['a', 'b', 'c', 'd']);
    inner.held[3]!.end(NO);
    expect(await Promise.all(verdicts)).toEqual([NO, NO, NO, NO]);
  });

  it('refuses new checks when enough wait, and no waiting one', async () => {
    const check = new QueuedCredentialCheck(inner, { atOnce: 1, waiting: 1 });
    const [first, second] = [check.check(credentials('a')), check.check(credentials('b'))];
    await expect(check.check(credentials('c'))).rejects.toThrow(Overloaded);
    await turn();
    inner.held[0]!.end(NO);
    await first;
    await turn();
    inner.held[1]!.end(NO);
    expect(await second).toEqual(NO);
    expect(running()).toEqual(['a', 'b']);
  });

  it('does not check for a caller that has given up', async () => {
    const check = new QueuedCredentialCheck(inner, { atOnce: 1, waitMs: 20 });
    const first = check.check(credentials('a'));
    const late = [check.check(credentials('b')), check.check(credentials('c'))];
    const turnedAway = Promise.all(late.map((verdict) => expect(verdict).rejects.toThrow(Overloaded)));
    await delay(30);
    inner.held[0]!.end(NO);
    await Promise.all([first, turnedAway]);
    expect(running()).toEqual(['a']);
    const next = check.check(credentials('d'));
    await turn();
    inner.held[1]!.end(NO);
    expect(await next).toEqual(NO);
  });

  it('continues after a failed check', async () => {
    const check = new QueuedCredentialCheck(inner, { atOnce: 1 });
    const [first, second] = [check.check(credentials('a')), check.check(credentials('b'))];
    await turn();
    inner.held[0]!.fail(new Error('no directory'));
    await expect(first).rejects.toThrow('no directory');
    await turn();
    inner.held[1]!.end(NO);
    expect(await second).toEqual(NO);
  });
});
