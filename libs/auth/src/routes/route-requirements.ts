import { Inject, Injectable } from '@nestjs/common';
import { DiscoveryService } from '@nestjs/core';
import { AUTH_OPTIONS, type ResolvedAuthOptions } from '../auth.options.js';
import type { AccessRequirement } from '../tokens/access-decision.js';
import { RevocationWatch } from '../tokens/revocation-watch.js';
import { gatherAccess, routeAccess, type RouteClass } from './route-access.js';

/** What a guarded route asks, in its protection space, and the watch that judges again what it has let in. */
export interface RouteRequirement extends AccessRequirement {
  /** Protection space named in challenges (RFC 9110 section 11.5). */
  readonly realm: string;
  readonly watch: RevocationWatch;
}

/** For one handler, in one of the controllers that have it. */
interface Known {
  readonly controller: object;
  readonly requirement: RouteRequirement | 'public';
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
  of(controller: RouteClass, handler: object): RouteRequirement | 'public' {
    const first = this.known.get(handler);
    for (let known = first; known; known = known.next) {
      if (known.controller === controller) return known.requirement;
    }
    this.gather(controller);
    const access = routeAccess(controller, handler);
    const { watch } = this;
    const { audience, realm } = this.options;
    const requirement = access === 'public' ? access : { audience, ...access, realm, watch };
    this.known.set(handler, { controller, requirement, next: first });
    return requirement;
  }

  private gather(controller: RouteClass): void {
    if (this.gathered.has(controller)) return;
    this.gathered.add(controller);
    gatherAccess(controller);
  }
}
