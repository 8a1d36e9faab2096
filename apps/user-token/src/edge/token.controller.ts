import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import {
  patterns,
  verifyRequestsSchema,
  type VerifyAnswer,
  type VerifyRequest,
  type VerifyRequests,
} from '@app/user-token-client';
import type { Observable } from 'rxjs';
import { VerifyToken } from '../core/verify-token.js';
import { asTheySettle } from './as-they-settle.js';
import { Failures } from './failures.js';

@Controller()
export class TokenController {
  constructor(
    private readonly verifyToken: VerifyToken,
    private readonly failures: Failures,
  ) {}

  /** Many at once, each answered as soon as it can be. */
  @MessagePattern(patterns.verify)
  verify(
    @Payload({ schema: verifyRequestsSchema }) { requests }: VerifyRequests,
  ): Observable<VerifyAnswer[]> {
    return asTheySettle(requests.map((request, index) => this.answer(request, index)));
  }

  /** Tells a client that this process runs, however long its other calls take. */
  @MessagePattern(patterns.ping)
  ping(): true {
    return true;
  }

  private async answer({ accessToken, requestId }: VerifyRequest, index: number): Promise<VerifyAnswer> {
    try {
      return { index, verdict: await this.verifyToken.execute(accessToken) };
    } catch (error) {
      return { index, failure: this.failures.of(error, requestId) };
    }
  }
}
