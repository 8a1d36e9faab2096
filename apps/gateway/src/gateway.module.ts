import { Module, type DynamicModule } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_PIPE, HttpAdapterHost } from '@nestjs/core';
import { AuthModule, BearerGuard, type AuthOptions } from '@app/auth';
import { InputPipe, type Logger } from '@app/ops';
import { AuthController } from './edge/auth.controller.js';
import { OAuthErrorFilter } from './edge/oauth-error.filter.js';

/** Every route is closed unless it says `@Public()`. */
@Module({})
export class GatewayModule {
  static forRoot(auth: AuthOptions, logger: Logger): DynamicModule {
    return {
      module: GatewayModule,
      imports: [AuthModule.forRoot(auth)],
      controllers: [AuthController],
      providers: [
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
