import { Controller } from '@nestjs/common';
import type { RequestOf, ResultOf } from '@app/contract';
import { TokenIssuances } from '../core/tokens/token-issuance.js';
import { IssuedTokens } from '../core/tokens/issued-tokens.js';
import { RefreshSession } from '../core/sessions/refresh-session.js';
import { Operation } from './operation.decorator.js';

/** The tokens of registered clients; who calls has authenticated the client. */
@Controller()
export class GrantController {
  constructor(
    private readonly issuances: TokenIssuances,
    private readonly refreshSession: RefreshSession,
    private readonly issuedTokens: IssuedTokens,
  ) {}

  @Operation('refreshGrant')
  refresh(request: RequestOf<'refreshGrant'>): Promise<ResultOf<'refreshGrant'>> {
    const { refreshToken, client, userAgent, clientAddress: address } = request;
    return this.refreshSession.execute(refreshToken, this.issuances.of(client), { userAgent, address });
  }

  @Operation('revokeToken')
  revoke({ token, clientId }: RequestOf<'revokeToken'>): Promise<ResultOf<'revokeToken'>> {
    return this.issuedTokens.revoke(token, clientId);
  }

  @Operation('inspectRefreshToken')
  inspect({ token, clientId }: RequestOf<'inspectRefreshToken'>): Promise<ResultOf<'inspectRefreshToken'>> {
    return this.issuedTokens.inspectRefreshToken(token, clientId);
  }
}
