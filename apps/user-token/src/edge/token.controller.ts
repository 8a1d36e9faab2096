import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { patterns, verifyRequestSchema, type Verdict, type VerifyRequest } from '@app/user-token-client';
import { VerifyToken } from '../core/verify-token.js';

@Controller()
export class TokenController {
  constructor(private readonly verifyToken: VerifyToken) {}

  @MessagePattern(patterns.verify)
  verify(@Payload({ schema: verifyRequestSchema }) { accessToken }: VerifyRequest): Promise<Verdict> {
    return this.verifyToken.execute(accessToken);
  }

  /** Tells a client that this process runs, however long its other calls take. */
  @MessagePattern(patterns.ping)
  ping(): true {
    return true;
  }
}
