import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import {
  endSessionRequestSchema,
  loginRequestSchema,
  patterns,
  refreshRequestSchema,
  revokeSubjectRequestSchema,
  sessionRequestSchema,
  type EndSessionRequest,
  type EndSessionResult,
  type GrantResult,
  type ListSessionsResult,
  type LoginRequest,
  type LogoutResult,
  type RefreshRequest,
  type RevokeSubjectRequest,
  type SessionRequest,
} from '@app/contract';
import { Fronts } from '../core/front.js';
import { LogIn } from '../core/log-in.js';
import { LogOut } from '../core/log-out.js';
import { RefreshSession } from '../core/refresh-session.js';
import { RevokeSubject } from '../core/revoke-subject.js';
import { UserSessions } from '../core/user-sessions.js';

@Controller()
export class SessionController {
  constructor(
    private readonly fronts: Fronts,
    private readonly logIn: LogIn,
    private readonly refreshSession: RefreshSession,
    private readonly logOut: LogOut,
    private readonly revokeSubject: RevokeSubject,
    private readonly userSessions: UserSessions,
  ) {}

  @MessagePattern(patterns.login)
  login(@Payload({ schema: loginRequestSchema }) request: LoginRequest): Promise<GrantResult> {
    const { client, userAgent, clientAddress: address } = request;
    return this.logIn.execute(request, this.fronts.of(client), { userAgent, address });
  }

  @MessagePattern(patterns.refresh)
  refresh(@Payload({ schema: refreshRequestSchema }) request: RefreshRequest): Promise<GrantResult> {
    const { accessToken, userAgent, clientAddress: address } = request;
    return this.refreshSession.execute(accessToken, this.fronts.of(undefined), { userAgent, address });
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

  @MessagePattern(patterns.listSessions)
  list(
    @Payload({ schema: sessionRequestSchema }) { accessToken }: SessionRequest,
  ): Promise<ListSessionsResult> {
    return this.userSessions.list(accessToken);
  }

  @MessagePattern(patterns.endSession)
  end(@Payload({ schema: endSessionRequestSchema }) request: EndSessionRequest): Promise<EndSessionResult> {
    return this.userSessions.end(request.accessToken, request.sessionId);
  }

  @MessagePattern(patterns.revokeSubject)
  async revoke(
    @Payload({ schema: revokeSubjectRequestSchema }) { subject }: RevokeSubjectRequest,
  ): Promise<{ revoked: true }> {
    await this.revokeSubject.execute(subject);
    return { revoked: true };
  }
}
