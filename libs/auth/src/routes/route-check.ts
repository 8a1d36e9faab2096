import { Injectable, RequestMethod, type OnModuleInit } from '@nestjs/common';
import { GUARDS_METADATA, METHOD_METADATA, PATH_METADATA } from '@nestjs/common/internal';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import {
  contradictionOnClass,
  copyAccess,
  lineage,
  PUBLIC,
  routeAccess,
  UnclearAccess,
  type RouteClass,
} from './route-access.js';
import { RouteGuard } from './route-guard.js';
import { RouteRequirements } from './route-requirements.js';

type Methods = Readonly<Record<string, unknown>>;

/** Stops the start of an application in which a route may be open by mistake. */
@Injectable()
export class RouteCheck implements OnModuleInit {
  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
    private readonly requirements: RouteRequirements,
  ) {}

  /** @throws {UnclearAccess} naming the routes */
  onModuleInit(): void {
    const problems = this.discovery
      .getControllers()
      .flatMap(({ metatype, instance }) => this.problemsOf(metatype as RouteClass, instance as Methods));
    if (problems.length > 0)
      throw new UnclearAccess(`Who may use a route is not clear.\n${problems.join('\n')}`);
  }

  private problemsOf(metatype: RouteClass, instance: Methods): string[] {
    const prototype = Object.getPrototypeOf(instance) as Methods;
    return this.scanner.getAllMethodNames(prototype).flatMap((name) => {
      const method = prototype[name] as object;
      if (!Reflect.hasMetadata(PATH_METADATA, method)) return [];
      const handler = instance[name] as object;
      // Bound or wrapped in a constructor.
      if (handler !== method) copyAccess(method, handler);
      const problem = this.problemOf(metatype, instance.constructor, handler);
      return problem === undefined ? [] : [`${routeName(metatype, name, method)}: ${problem}`];
    });
  }

  /** @param actual the class that Nest passes to the guard: the class of the instance, whatever decorators made of it */
  private problemOf(metatype: RouteClass, actual: RouteClass, handler: object): string | undefined {
    try {
      const requirement = this.requirements.of(actual, handler);
      const [said, found] = [metatype, actual].map((controller) =>
        JSON.stringify([routeAccess(controller, handler), lineageOf(controller).some(namesGuard)]),
      );
      if (said !== found) {
        return 'a decorator has put another class in the place of the one that says who may use it; say it below that decorator';
      }
      return requirement === 'public' ? guardedAllTheSame(actual, handler) : undefined;
    } catch (error) {
      if (error instanceof UnclearAccess) return error.message;
      throw error;
    }
  }
}

/** For a route that its class opens: the place that wants it guarded. */
function guardedAllTheSame(controller: RouteClass, handler: object): string | undefined {
  if (Reflect.hasMetadata(PUBLIC, handler)) return undefined;
  const guarded = [handler, ...lineageOf(controller)].some(
    (place) => namesGuard(place) && !Reflect.hasOwnMetadata(PUBLIC, place),
  );
  return guarded ? contradictionOnClass('@UseGuards(BearerGuard)') : undefined;
}

/** A class by its name, and the classes that it extends. */
function lineageOf(controller: RouteClass): object[] {
  return [controller, ...lineage(controller).map((prototype) => prototype.constructor)];
}

function namesGuard(place: object): boolean {
  const guards = (Reflect.getOwnMetadata(GUARDS_METADATA, place) ?? []) as unknown[];
  return guards.some(
    (guard) =>
      guard instanceof RouteGuard || (typeof guard === 'function' && guard.prototype instanceof RouteGuard),
  );
}

function routeName(controller: RouteClass, name: string, method: object): string {
  const path = [controller, method]
    .map((place) => [Reflect.getMetadata(PATH_METADATA, place)].flat()[0] as string)
    .flatMap((part) => part.split('/').filter(Boolean))
    .join('/');
  const verb = RequestMethod[Reflect.getMetadata(METHOD_METADATA, method) as RequestMethod];
  return `${verb} /${path} (${controller.name}.${name})`;
}
