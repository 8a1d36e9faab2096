import { Injectable } from '@nestjs/common';
import type { CanonicalToken, Verdict } from '@app/contract';
import { UserTokenClient } from '@app/user-token-client';
import { TokenVerifier } from './token-verifier.js';

/** Asks user-token over TCP. */
@Injectable()
export class TcpTokenVerifier extends TokenVerifier {
  constructor(private readonly userToken: UserTokenClient) {
    super();
  }

  override verify(
    accessToken: CanonicalToken,
    { requestId }: { requestId?: string | undefined },
  ): Promise<Verdict> {
    return this.userToken.verify({ accessToken, requestId });
  }
}
