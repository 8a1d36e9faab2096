import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import {
  loginRequestSchema,
  patterns,
  sessionRequestSchema,
  type GrantResult,
  type LoginRequest,
  type LogoutResult,
  type SessionRequest,
} from '@app/user-token-client';
import { LogIn } from '../core/log-in.js';
import { LogOut } from '../core/log-out.js';
import { RefreshSession } from '../core/refresh-session.js';

@Controller()
export class SessionController {
  constructor(
    private readonly logIn: LogIn,
    private readonly refreshSession: RefreshSession,
    private readonly logOut: LogOut,
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
}
