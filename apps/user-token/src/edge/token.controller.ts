import { Controller } from '@nestjs/common';
import {
  tokenHash,
  type Pong,
  type RequestOf,
  type UnnamedAnswers,
  type Verdict,
  type VerifyAnswer,
  type VerifyBatch,
  type VerifyReply,
} from '@app/contract';
import { map, type Observable } from 'rxjs';
import { VerifyToken } from '../core/tokens/verify-token.js';
import { asTheySettle } from './as-they-settle.js';
import { Failures } from './failures.js';
import { Operation } from './operation.decorator.js';
import { ReplyClock } from './reply-clock.js';

@Controller()
export class TokenController {
  constructor(
    private readonly verifyToken: VerifyToken,
    private readonly failures: Failures,
    private readonly clock: ReplyClock,
  ) {}

  /** Many at once, each answered as soon as it can be. */
  @Operation('verify')
  verify({ requests }: VerifyBatch): Observable<VerifyReply> {
    return this.answers(requests).pipe(map((answers) => ({ nowMs: this.clock.nowMs(), answers })));
  }

  @Operation('verifyUnnamed')
  verifyUnnamed({ requests }: VerifyBatch): Observable<UnnamedAnswers> {
    return this.answers(requests).pipe(
      map((answers) =>
        answers.map(({ tokenHash: _unknown, verdict, ...answer }) => ({
          ...answer,
          // They refuse what they do not know.
          ...(verdict !== undefined && { verdict: { ...(verdict as Verdict), generation: undefined } }),
        })),
      ),
    );
  }

  /** Tells a client that this process runs, however long its other calls take, and what time it is. */
  @Operation('ping')
  ping(): Pong {
    return { nowMs: this.clock.nowMs() };
  }

  private answers(requests: VerifyBatch['requests']): Observable<VerifyAnswer[]> {
    return asTheySettle(requests.map((request, index) => this.answer(request, index)));
  }

  private async answer(
    { accessToken, requestId }: RequestOf<'verify'>,
    index: number,
  ): Promise<VerifyAnswer> {
    const named = { index, tokenHash: tokenHash(accessToken) };
    try {
      return { ...named, verdict: await this.verifyToken.execute(accessToken, requestId) };
    } catch (error) {
      return { ...named, failure: this.failures.of(error, requestId) };
    }
  }
}
