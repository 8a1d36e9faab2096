import { Inject, Injectable } from '@nestjs/common';
import { DiscoveryService } from '@nestjs/core';
import { AUTH_OPTIONS, type ResolvedAuthOptions } from '../auth.options.js';
import { RevocationWatch } from '../http/revocation-watch.js';
import type { GuardedRoute } from '../http/revoked.js';
import { gatherAccess, routeAccess, type RouteClass } from './route-access.js';

/** The requirements of a route; `public` routes have none. */
export type RouteRequirement = GuardedRoute | 'public';

/** For one handler, in one of the controllers that have it. */
interface Known {
  readonly controller: object;
  readonly requirement: RouteRequirement;
  readonly next: Known | undefined;
}

/** The requirements of this application's routes, read once for each. */
@Injectable()
export class RouteRequirements {
  private readonly known = new WeakMap<object, Known>();
  private readonly gathered = new WeakSet<object>();

  constructor(
    discovery: DiscoveryService,
    private readonly watch: RevocationWatch,
    @Inject(AUTH_OPTIONS) private readonly options: ResolvedAuthOptions,
  ) {
    // Before routes exist: tracing wraps each handler when it becomes a route, and copies the metadata of its function.
    for (const { metatype } of discovery.getControllers()) this.gather(metatype as RouteClass);
  }

  /** @throws {UnclearAccess} */
  of(controller: RouteClass, handler: object): RouteRequirement {
    const first = this.known.get(handler);
    for (let known = first; known; known = known.next) {
      if (known.controller === controller) return known.requirement;
    }
    this.gather(controller);
    const access = routeAccess(controller, handler);
    const { watch } = this;
    const { audience } = this.options;
    const requirement = access === 'public' ? access : { audience, ...access, watch };
    this.known.set(handler, { controller, requirement, next: first });
    return requirement;
  }

  private gather(controller: RouteClass): void {
    if (this.gathered.has(controller)) return;
    this.gathered.add(controller);
    gatherAccess(controller);
  }
}
