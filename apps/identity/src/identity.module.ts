import { Module, type DynamicModule } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import type { Logger } from '@app/ops';
import { AuthorizationServer } from './authorization-server.js';
import { OAuthErrorFilter } from './dialects/auth0/oauth-error.filter.js';
import { OAuthController } from './dialects/auth0/oauth.controller.js';
import { UserinfoController } from './dialects/auth0/userinfo.controller.js';

@Module({})
export class IdentityModule {
  static forServer(server: AuthorizationServer, logger: Logger): DynamicModule {
    return {
      module: IdentityModule,
      // The order matters: OAuthController ends with a route for everything else.
      controllers: [UserinfoController, OAuthController],
      providers: [
        { provide: AuthorizationServer, useValue: server },
        { provide: APP_FILTER, useValue: new OAuthErrorFilter(logger) },
      ],
    };
  }
}
