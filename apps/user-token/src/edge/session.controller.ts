import { Controller } from '@nestjs/common';
import type { RequestOf, ResultOf } from '@app/contract';
import { TokenIssuances } from '../core/tokens/token-issuance.js';
import { LogIn } from '../core/log-in/log-in.js';
import { LogOut } from '../core/sessions/log-out.js';
import { RefreshSession } from '../core/sessions/refresh-session.js';
import { RevokeSubject } from '../core/sessions/revoke-subject.js';
import { UserSessions } from '../core/sessions/user-sessions.js';
import { Operation } from './operation.decorator.js';

@Controller()
export class SessionController {
  constructor(
    private readonly issuances: TokenIssuances,
    private readonly logIn: LogIn,
    private readonly refreshSession: RefreshSession,
    private readonly logOut: LogOut,
    private readonly revokeSubject: RevokeSubject,
    private readonly userSessions: UserSessions,
  ) {}

  @Operation('login')
  login(request: RequestOf<'login'>): Promise<ResultOf<'login'>> {
    const { client, userAgent, clientAddress: address } = request;
    return this.logIn.execute(request, this.issuances.of(client), { userAgent, address });
  }

  @Operation('refresh')
  refresh(request: RequestOf<'refresh'>): Promise<ResultOf<'refresh'>> {
    const { accessToken, userAgent, clientAddress: address } = request;
    return this.refreshSession.execute(accessToken, this.issuances.of(undefined), { userAgent, address });
  }

  @Operation('logout')
  logout({ accessToken }: RequestOf<'logout'>): Promise<ResultOf<'logout'>> {
    return this.logOut.execute(accessToken);
  }

  @Operation('logoutAll')
  logoutAll({ accessToken }: RequestOf<'logoutAll'>): Promise<ResultOf<'logoutAll'>> {
    return this.revokeSubject.executeFor(accessToken);
  }

  @Operation('listSessions')
  list({ accessToken }: RequestOf<'listSessions'>): Promise<ResultOf<'listSessions'>> {
    return this.userSessions.list(accessToken);
  }

  @Operation('endSession')
  end({ accessToken, sessionId }: RequestOf<'endSession'>): Promise<ResultOf<'endSession'>> {
    return this.userSessions.end(accessToken, sessionId);
  }

  @Operation('revokeSubject')
  async revoke({ subject }: RequestOf<'revokeSubject'>): Promise<ResultOf<'revokeSubject'>> {
    await this.revokeSubject.execute(subject);
    return { revoked: true };
  }
}
