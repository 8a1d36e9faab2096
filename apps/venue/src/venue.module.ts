import { Module, type DynamicModule } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_PIPE, HttpAdapterHost } from '@nestjs/core';
import { AuthModule, BearerGuard, type AuthOptions } from '@app/auth';
import { InputPipe, ProblemFilter, type Logger } from '@app/ops';
import { MemoryVenues } from './adapters/memory-venues.js';
import { Venues } from './core/venue.js';
import { EventStreams } from './edge/event-streams.js';
import { RootController } from './edge/root.controller.js';
import { VenuesController } from './edge/venues.controller.js';

/** Every route is closed unless it has `@Public()`. */
@Module({})
export class VenueModule {
  static forRoot(auth: AuthOptions, logger: Logger): DynamicModule {
    return {
      module: VenueModule,
      imports: [AuthModule.forRoot(auth)],
      controllers: [RootController, VenuesController],
      providers: [
        { provide: Venues, useClass: MemoryVenues },
        { provide: EventStreams, useValue: new EventStreams() },
        { provide: APP_GUARD, useExisting: BearerGuard },
        { provide: APP_PIPE, useValue: new InputPipe() },
        {
          provide: APP_FILTER,
          inject: [HttpAdapterHost],
          useFactory: (adapterHost: HttpAdapterHost) => new ProblemFilter(adapterHost, logger),
        },
      ],
    };
  }
}
