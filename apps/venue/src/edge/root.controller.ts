import { Controller, Get } from '@nestjs/common';
import { Public } from '@app/auth';

@Controller()
export class RootController {
  /** What this service is, for whoever comes by. */
  @Public()
  @Get()
  describe() {
    return { service: 'venue', resources: ['/venues'] };
  }
}
