import { Inject, Injectable } from '@nestjs/common';
import { DiscoveryService } from '@nestjs/core';
import { AUTH_OPTIONS, type ResolvedAuthOptions } from './auth.options.js';
import { RevocationWatch } from './revocation-watch.js';
import type { GuardedRoute } from './revoked.js';
import { gatherAccess, routeAccess, type RouteClass } from './route-access.js';

/** What a route asks; `public` routes ask nothing. */
export type RouteRequirement = GuardedRoute | 'public';

/** Of one handler, in one of the controllers that have it. */
interface Known {
  readonly controller: object;
  readonly requirement: RouteRequirement;
  readonly next: Known | undefined;
}

/** What the routes of this application ask, read once for each. */
@Injectable()
export class RouteRequirements {
  private readonly known = new WeakMap<object, Known>();
  private readonly gathered = new WeakSet<object>();

  constructor(
    discovery: DiscoveryService,
    private readonly watch: RevocationWatch,
    @Inject(AUTH_OPTIONS) private readonly options: ResolvedAuthOptions,
  ) {
    // Before there are routes: tracing wraps each handler as it becomes one, and takes along what stands on its function.
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
