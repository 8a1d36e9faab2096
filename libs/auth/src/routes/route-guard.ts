import type { CanActivate, ExecutionContext } from '@nestjs/common';

/** A guard that lets in whom the decorators of a route admit. {@link RouteCheck} knows guarded routes by it. */
export abstract class RouteGuard implements CanActivate {
  abstract canActivate(context: ExecutionContext): boolean | Promise<boolean>;
}
