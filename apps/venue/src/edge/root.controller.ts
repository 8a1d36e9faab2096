import { Controller, Get } from '@nestjs/common';
import { Public } from '@app/auth';

@Controller()
export class RootController {
  /** A short description of this service for visitors. */
  @Public()
  @Get()
  describe() {
    return { service: 'venue', resources: ['/venues'] };
  }
}
