import { asToken } from '@app/test-support/issuer/as-token';
import type { Cache } from '@nestjs/cache-manager';
import { createLogger } from '@app/ops';
import { StoreUnavailable } from '@app/store';
import fc from 'fast-check';
import { StoreDenials } from '../../apps/user-token/src/adapters/denials/store-denials.js';
import { DenialsUnknown } from '../../apps/user-token/src/core/tokens/denials.js';
import { SharedTokenCache } from '../../libs/auth/src/cache/shared-token-cache.js';
import { MovableRedis, MovableStore, turn } from './movable-store.js';

const log = createLogger({ service: 'model', environment: 'test', level: 'silent' });
const SUBJECTS = ['auth0|ada', 'auth0|grace'] as const;
const LIFETIME_SECONDS = 100_000;
const base64url = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

interface Token {
  readonly text: string;
  readonly subject: string;
  readonly issuedAtSeconds: number;
}

/** Two user-tokens and two guards on one Redis, and the right verdicts. */
class Fleet {
  readonly redis = new MovableRedis();
  readonly tokens: Token[] = [];
  /** The revocation was acknowledged. */
  readonly revoked = new Set<Token>();
  /** A revocation was tried, with an unknown result. */
  readonly doubtful = new Set<Token>();
  private readonly beingRevoked: string[] = [];
  readonly wrong: string[] = [];
  private readonly replicas = [this.newReplica(), this.newReplica()];
  private readonly guards = [this.newGuard(), this.newGuard()];

  async close(): Promise<void> {
    await Promise.all(this.replicas.map(({ denials }) => denials.close()));
    await Promise.all([...this.redis.stores].map((store) => store.close()));
  }

  issue(of: number): void {
    this.redis.nowMs += 1_000;
    const issuedAtSeconds = Math.floor(this.redis.nowMs / 1000);
    const subject = SUBJECTS[of % SUBJECTS.length]!;
    const text = `${base64url({ alg: 'RS256' })}.${base64url({ sub: subject })}.${this.tokens.length}`;
    const token = { text, subject, issuedAtSeconds };
    this.tokens.push(token);
    // The order of the two is unknown.
    if (this.beingRevoked.includes(subject)) this.doubtful.add(token);
  }

  async revoke(which: number, by: number): Promise<void> {
    const token = this.token(which);
    if (!token) return;
    const expiresAtSeconds = token.issuedAtSeconds + LIFETIME_SECONDS;
    await this.end([token], () =>
      this.replica(by).deny(token.subject, [{ tokenId: token.text, expiresAtSeconds }]),
    );
  }

  async revokeSubject(of: number, by: number): Promise<void> {
    const subject = SUBJECTS[of % SUBJECTS.length]!;
    const before = this.tokens.filter((token) => token.subject === subject);
    this.beingRevoked.push(subject);
    await this.end(before, () => this.replica(by).denySubject(subject));
    this.beingRevoked.splice(this.beingRevoked.indexOf(subject), 1);
  }

  async restart(which: number): Promise<void> {
    const index = which % this.replicas.length;
    await this.replicas[index]!.denials.close();
    await this.replicas[index]!.store.close();
    this.replicas[index] = this.newReplica();
  }

  restartGuard(which: number): void {
    this.guards[which % this.guards.length] = this.newGuard();
  }

  /** Does the steps of a guard, and those of a user-token on a miss. */
  async verify(which: number, at: number): Promise<void> {
    const token = this.token(which);
    if (!token) return;
    const mustBeRefused = this.revoked.has(token);
    const guard = this.guards[at % this.guards.length]!;
    const key = `tok:${token.text}`;
    const found = await guard.read(key, asToken(token.text)).catch(unavailable);
    if (found?.entry) return this.check(token, mustBeRefused, true, 'by its entry in Redis');
    const { subject, text: tokenId, issuedAtSeconds } = token;
    const verdict = await this.replica(at >> 1)
      .status({ subject, tokenId, issuedAtSeconds })
      .catch(undecided);
    if (!verdict) return;
    this.check(token, mustBeRefused, !verdict.denied, 'by user-token');
    if (verdict.denied || verdict.epoch === null || found?.generation === undefined) return;
    const principal = { subject, expiresAtSeconds: issuedAtSeconds + LIFETIME_SECONDS } as never;
    const verdictAtSeconds = this.redis.nowMs / 1000;
    await guard
      .write(key, { principal, epoch: verdict.epoch, verdictAtSeconds }, found.generation)
      .catch(unavailable);
  }

  private check(token: Token, mustBeRefused: boolean, accepted: boolean, how: string): void {
    if (accepted && mustBeRefused) this.wrong.push(`a revoked token was accepted ${how}`);
    if (!accepted && !this.revoked.has(token) && !this.doubtful.has(token))
      this.wrong.push(`a good token was refused ${how}`);
  }

  private async end(tokens: readonly Token[], write: () => Promise<void>): Promise<void> {
    for (const token of tokens) this.doubtful.add(token);
    try {
      await write();
      for (const token of tokens) this.revoked.add(token);
    } catch (error) {
      unavailable(error);
    }
  }

  private token(which: number): Token | undefined {
    return this.tokens[which % (this.tokens.length || 1)];
  }

  private replica(which: number): StoreDenials {
    return this.replicas[which % this.replicas.length]!.denials;
  }

  private newReplica() {
    const store = new MovableStore(this.redis);
    const options = {
      whenUnknown: 'refuse',
      whenAgeUnknown: 'refuse',
      subjectDenialSeconds: LIFETIME_SECONDS,
      clockToleranceSeconds: 0,
      maxLocal: 1_000,
      siblingsMs: 0,
      formerVersionsMs: 0,
    } as const;
    return { store, denials: new StoreDenials(store, options, log) };
  }

  private newGuard(): SharedTokenCache {
    const store = new MovableStore(this.redis);
    const cache = { set: (key: string, value: string) => store.set(key, JSON.stringify({ value })) };
    const clock = { nowSeconds: () => this.redis.nowMs / 1000 };
    const options = { secret: 'model-secret-0123456789-0123456789-01', ttlSeconds: LIFETIME_SECONDS };
    return new SharedTokenCache(store, cache as unknown as Cache, options, clock);
  }
}

function unavailable(error: unknown): undefined {
  if (error instanceof StoreUnavailable) return undefined;
  throw error;
}

function undecided(error: unknown): undefined {
  if (error instanceof DenialsUnknown) return undefined;
  return unavailable(error);
}

type Step = readonly [name: string, run: (fleet: Fleet) => void | Promise<void>];
const step = (name: string, run: Step[1]): Step => [name, run];
const any = fc.nat(15);

/** Starts them one after the other; with `overlaps` each before the end of the previous one. */
const steps = fc.array(
  fc.record({
    overlaps: fc.boolean(),
    step: fc.oneof(
      { weight: 3, arbitrary: any.map((of) => step(`issue to ${of % 2}`, (fleet) => fleet.issue(of))) },
      {
        weight: 8,
        arbitrary: fc
          .tuple(any, any)
          .map(([t, at]) => step(`verify ${t} at ${at}`, (fleet) => fleet.verify(t, at))),
      },
      {
        weight: 3,
        arbitrary: fc
          .tuple(any, any)
          .map(([t, by]) => step(`revoke ${t} by ${by}`, (fleet) => fleet.revoke(t, by))),
      },
      {
        weight: 1,
        arbitrary: fc
          .tuple(any, any)
          .map(([of, by]) =>
            step(`revoke all of ${of % 2} by ${by}`, (fleet) => fleet.revokeSubject(of, by)),
          ),
      },
      {
        weight: 1,
        arbitrary: any.map((i) => step(`restart user-token ${i % 2}`, (fleet) => fleet.restart(i))),
      },
      {
        weight: 1,
        arbitrary: any.map((i) => step(`restart guard ${i % 2}`, (fleet) => fleet.restartGuard(i))),
      },
      { weight: 1, arbitrary: fc.constant(step('save', ({ redis }) => redis.save())) },
      { weight: 1, arbitrary: fc.constant(step('kill Redis', ({ redis }) => redis.kill())) },
      {
        weight: 3,
        arbitrary: fc
          .constantFrom('all' as const, 'snapshot' as const, 'nothing' as const)
          .map((from) => step(`start Redis with ${from}`, ({ redis }) => redis.start(from))),
      },
      { weight: 1, arbitrary: fc.constant(step('flush', ({ redis }) => redis.data.clear())) },
      {
        weight: 1,
        arbitrary: fc
          .boolean()
          .map((full) => step(`full: ${full}`, ({ redis }) => void (redis.isFull = full))),
      },
      {
        weight: 3,
        arbitrary: fc.nat(30).map((turns) =>
          step(`${turns} turns`, async () => {
            for (let i = 0; i < turns; i += 1) await turn();
          }),
        ),
      },
    ),
  }),
  { minLength: 10, maxLength: 60 },
);

describe('revocation, with faults of Redis in any order', () => {
  it('accepts no token after the acknowledgement of its log-out, and refuses no valid one', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (sequence) => {
        const fleet = new Fleet();
        for (let i = 0; i < 3; i += 1) fleet.issue(i);
        const underWay: Promise<void>[] = [];
        for (const {
          overlaps,
          step: [, run],
        } of sequence) {
          underWay.push(Promise.resolve(run(fleet)));
          if (!overlaps) await Promise.all(underWay.splice(0));
        }
        await Promise.all(underWay);
        await fleet.close();
        expect(fleet.wrong).toEqual([]);
      }),
      { numRuns: Number(process.env['MODEL_RUNS'] ?? 2_000), seed: Number(process.env['MODEL_SEED'] ?? 11) },
    );
  }, 120_000);
});
