import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import {
  loginRequestSchema,
  patterns,
  revokeSubjectRequestSchema,
  sessionRequestSchema,
  type GrantResult,
  type LoginRequest,
  type LogoutResult,
  type RevokeSubjectRequest,
  type SessionRequest,
} from '@app/user-token-client';
import { LogIn } from '../core/log-in.js';
import { LogOut } from '../core/log-out.js';
import { RefreshSession } from '../core/refresh-session.js';
import { RevokeSubject } from '../core/revoke-subject.js';

@Controller()
export class SessionController {
  constructor(
    private readonly logIn: LogIn,
    private readonly refreshSession: RefreshSession,
    private readonly logOut: LogOut,
    private readonly revokeSubject: RevokeSubject,
  ) {}

  @MessagePattern(patterns.login)
  login(@Payload({ schema: loginRequestSchema }) request: LoginRequest): Promise<GrantResult> {
    return this.logIn.execute(request);
  }

  @MessagePattern(patterns.refresh)
  refresh(@Payload({ schema: sessionRequestSchema }) { accessToken }: SessionRequest): Promise<GrantResult> {
    return this.refreshSession.execute(accessToken);
  }

  @MessagePattern(patterns.logout)
  logout(@Payload({ schema: sessionRequestSchema }) { accessToken }: SessionRequest): Promise<LogoutResult> {
    return this.logOut.execute(accessToken);
  }

  @MessagePattern(patterns.logoutAll)
  logoutAll(
    @Payload({ schema: sessionRequestSchema }) { accessToken }: SessionRequest,
  ): Promise<LogoutResult> {
    return this.revokeSubject.executeFor(accessToken);
  }

  @MessagePattern(patterns.revokeSubject)
  async revoke(
    @Payload({ schema: revokeSubjectRequestSchema }) { subject }: RevokeSubjectRequest,
  ): Promise<{ revoked: true }> {
    await this.revokeSubject.execute(subject);
    return { revoked: true };
  }
}
