import { Module, type DynamicModule } from '@nestjs/common';
import { APP_FILTER, APP_INTERCEPTOR, APP_PIPE } from '@nestjs/core';
import type { InFlight, Logger } from '@app/ops';
import type { UseCases } from './compose.js';
import type { Clock } from './core/clock.js';
import { IssuedTokens } from './core/tokens/issued-tokens.js';
import { LogIn } from './core/log-in/log-in.js';
import { LogOut } from './core/sessions/log-out.js';
import { RefreshSession } from './core/sessions/refresh-session.js';
import { RevokeSubject } from './core/sessions/revoke-subject.js';
import { TokenIssuances } from './core/tokens/token-issuance.js';
import { UserSessions } from './core/sessions/user-sessions.js';
import { VerifyToken } from './core/tokens/verify-token.js';
import { CallInterceptor } from './edge/call.interceptor.js';
import { FailureFilter } from './edge/failure.filter.js';
import { Failures } from './edge/failures.js';
import { GrantController } from './edge/grant.controller.js';
import { PayloadPipe } from './edge/payload.pipe.js';
import { ReplyClock } from './edge/reply-clock.js';
import { SessionController } from './edge/session.controller.js';
import { TokenController } from './edge/token.controller.js';

export interface EdgeOptions {
  readonly logger: Logger;
  readonly inFlight: InFlight;
  readonly clock: Clock;
}

/** The TCP edge over the use cases. It has no ports: a test gives its own to `compose`. */
@Module({})
export class UserTokenModule {
  static over(useCases: UseCases, { logger, inFlight, clock }: EdgeOptions): DynamicModule {
    const failures = new Failures(logger);
    return {
      module: UserTokenModule,
      controllers: [TokenController, SessionController, GrantController],
      providers: [
        { provide: TokenIssuances, useValue: useCases.issuances },
        { provide: VerifyToken, useValue: useCases.verifyToken },
        { provide: LogIn, useValue: useCases.logIn },
        { provide: RefreshSession, useValue: useCases.refreshSession },
        { provide: LogOut, useValue: useCases.logOut },
        { provide: RevokeSubject, useValue: useCases.revokeSubject },
        { provide: UserSessions, useValue: useCases.userSessions },
        { provide: IssuedTokens, useValue: useCases.issuedTokens },
        { provide: ReplyClock, useValue: clock satisfies ReplyClock },
        { provide: Failures, useValue: failures },
        { provide: APP_PIPE, useValue: new PayloadPipe() },
        { provide: APP_FILTER, useValue: new FailureFilter(failures) },
        { provide: APP_INTERCEPTOR, useValue: new CallInterceptor(inFlight, logger) },
      ],
    };
  }
}
