import { Module, type DynamicModule } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_PIPE, HttpAdapterHost } from '@nestjs/core';
import { AuthModule, BearerGuard, type AuthOptions } from '@app/auth';
import { InputPipe, type Logger } from '@app/ops';
import { ClientRegistry } from './core/client.js';
import { AuthController } from './edge/auth.controller.js';
import { LOGIN_OPTIONS, type LoginOptions } from './edge/login.options.js';
import { ClientAuthentication } from './edge/oauth2/client-authentication.js';
import { MetadataController } from './edge/oauth2/metadata.controller.js';
import { OAuth2Controller } from './edge/oauth2/oauth2.controller.js';
import { OAUTH2_OPTIONS, type OAuth2Options } from './edge/oauth2/oauth2.options.js';
import { OAuthErrorFilter } from './edge/oauth-error.filter.js';

/** Every route is closed unless it has `@Public()`. */
@Module({})
export class GatewayModule {
  static forRoot(
    auth: AuthOptions,
    oauth2: OAuth2Options,
    clients: ClientRegistry,
    logger: Logger,
    login: LoginOptions = { realms: [] },
  ): DynamicModule {
    return {
      module: GatewayModule,
      imports: [AuthModule.forRoot(auth)],
      controllers: [AuthController, OAuth2Controller, MetadataController],
      providers: [
        { provide: LOGIN_OPTIONS, useValue: login },
        { provide: OAUTH2_OPTIONS, useValue: oauth2 },
        { provide: ClientRegistry, useValue: clients },
        { provide: ClientAuthentication, useValue: new ClientAuthentication(clients) },
        { provide: APP_GUARD, useExisting: BearerGuard },
        { provide: APP_PIPE, useValue: new InputPipe() },
        {
          provide: APP_FILTER,
          inject: [HttpAdapterHost],
          useFactory: (adapterHost: HttpAdapterHost) => new OAuthErrorFilter(adapterHost, logger),
        },
      ],
    };
  }
}
