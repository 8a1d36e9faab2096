import type { CanActivate } from '@nestjs/common';
import { serveNest } from './serve.js';

/** What Nest itself takes for having a guard. */
class TrueGuard implements CanActivate {
  canActivate(): boolean {
    return true;
  }
}

await serveNest({ guard: TrueGuard });
