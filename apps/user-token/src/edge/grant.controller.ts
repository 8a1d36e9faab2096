import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import {
  issuedTokenRequestSchema,
  patterns,
  refreshGrantRequestSchema,
  type GrantResult,
  type IssuedTokenRequest,
  type RefreshGrantRequest,
  type RefreshTokenInspection,
  type RevokeTokenResult,
} from '@app/contract';
import { Fronts } from '../core/front.js';
import { IssuedTokens } from '../core/issued-tokens.js';
import { RefreshSession } from '../core/refresh-session.js';

/** The tokens of registered clients; who calls has authenticated the client. */
@Controller()
export class GrantController {
  constructor(
    private readonly fronts: Fronts,
    private readonly refreshSession: RefreshSession,
    private readonly issuedTokens: IssuedTokens,
  ) {}

  @MessagePattern(patterns.refreshGrant)
  refresh(
    @Payload({ schema: refreshGrantRequestSchema }) request: RefreshGrantRequest,
  ): Promise<GrantResult> {
    const { refreshToken, client, userAgent, clientAddress: address } = request;
    return this.refreshSession.execute(refreshToken, this.fronts.of(client), { userAgent, address });
  }

  @MessagePattern(patterns.revokeToken)
  revoke(
    @Payload({ schema: issuedTokenRequestSchema }) { token, clientId }: IssuedTokenRequest,
  ): Promise<RevokeTokenResult> {
    return this.issuedTokens.revoke(token, clientId);
  }

  @MessagePattern(patterns.inspectRefreshToken)
  inspect(
    @Payload({ schema: issuedTokenRequestSchema }) { token, clientId }: IssuedTokenRequest,
  ): Promise<RefreshTokenInspection> {
    return this.issuedTokens.inspectRefreshToken(token, clientId);
  }
}
