import type { CanActivate, ExecutionContext } from '@nestjs/common';

/** A guard that judges by the decorators of a route. {@link RouteCheck} knows guarded routes by it. */
export abstract class RouteGuard implements CanActivate {
  abstract canActivate(context: ExecutionContext): boolean | Promise<boolean>;
}
