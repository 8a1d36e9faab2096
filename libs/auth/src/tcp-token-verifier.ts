import { Injectable } from '@nestjs/common';
import { UserTokenClient, type Verdict } from '@app/user-token-client';
import { TokenVerifier } from './token-verifier.js';

/** Asks user-token over TCP. */
@Injectable()
export class TcpTokenVerifier extends TokenVerifier {
  constructor(private readonly userToken: UserTokenClient) {
    super();
  }

  override verify(accessToken: string, { requestId }: { requestId?: string | undefined }): Promise<Verdict> {
    return this.userToken.verify({ accessToken, requestId });
  }
}
