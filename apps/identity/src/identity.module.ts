import { Module, type DynamicModule } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import type { Logger } from '@app/ops';
import { OAuthErrorFilter } from './dialects/auth0/routes/oauth-error.filter.js';
import { OAuthController } from './dialects/auth0/routes/oauth.controller.js';
import { UserinfoController } from './dialects/auth0/routes/userinfo.controller.js';
import { Tenant } from './tenant.js';

@Module({})
export class IdentityModule {
  static forTenant(tenant: Tenant, logger: Logger): DynamicModule {
    return {
      module: IdentityModule,
      // The order matters: OAuthController ends with a route for everything else.
      controllers: [UserinfoController, OAuthController],
      providers: [
        { provide: Tenant, useValue: tenant },
        { provide: APP_FILTER, useValue: new OAuthErrorFilter(logger) },
      ],
    };
  }
}
