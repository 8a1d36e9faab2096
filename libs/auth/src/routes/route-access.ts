export const PUBLIC = 'auth:public';
export const SCOPES = 'auth:scopes';
export const PERMISSIONS = 'auth:permissions';
/** On a function: {@link gatherAccess} has copied to it everything stored under its name. */
const GATHERED = 'auth:gathered';

/** The requirements in the decorators of a route; `public` routes have none. */
export type RouteAccess =
  'public' | { readonly scopes: readonly string[]; readonly permissions: readonly string[] };

/** The requirements of a route are unclear: decorators contradict each other, or cannot be found. */
export class UnclearAccess extends Error {
  override readonly name = 'UnclearAccess';
}

/** The requirements stored in one place; undefined means none at all. */
interface Said {
  readonly isPublic: boolean;
  readonly scopes: readonly string[] | undefined;
  readonly permissions: readonly string[] | undefined;
}

/** A controller. */
export type RouteClass = Readonly<{ name: string; prototype: object }> & object;

/**
 * Reads the metadata of a handler and of its classes: the one nearest to the handler counts.
 *
 * @param handler as Nest hands it to guards, after {@link gatherAccess}
 * @throws {UnclearAccess} also for a function that is not a method of its class, if methods of that class have requirements: its
 *   own are then unknown
 */
export function routeAccess(controller: RouteClass, handler: object): RouteAccess {
  const own = saidOf(handler);
  const classes = saidOfClasses(controller);
  if (own.isPublic) {
    if (asks(own)) throw new UnclearAccess(`@Public() contradicts ${named(own)} on the same handler`);
    return 'public';
  }
  if (!Reflect.hasOwnMetadata(GATHERED, handler) && methodsAsk(controller)) {
    throw new UnclearAccess(
      `a handler of ${controller.name} is none of its methods, so that what these ask is not known of it; ask it on the class`,
    );
  }
  if (classes.some(({ isPublic }) => isPublic)) {
    const asking = [own, ...classes].find(asks);
    if (asking) throw new UnclearAccess(contradictionOnClass(named(asking)));
    return 'public';
  }
  const places = [own, ...classes];
  return {
    scopes: places.find(({ scopes }) => scopes)?.scopes ?? [],
    permissions: places.find(({ permissions }) => permissions)?.permissions ?? [],
  };
}

export function contradictionOnClass(what: string): string {
  return `@Public() on the class, or on one that it extends, contradicts ${what}; put @Public() on the handlers that are meant to be open`;
}

/**
 * Copies to the functions of a class what is stored under their names, there or in a class that it extends: a decorator that wraps
 * a method, or a subclass that overrides it, leaves the function without. An overriding method does not inherit `@Public()`.
 */
export function gatherAccess(controller: RouteClass): void {
  const prototypes = lineage(controller);
  prototypes.forEach((prototype, depth) => {
    for (const name of Reflect.ownKeys(prototype)) {
      const method: unknown = Object.getOwnPropertyDescriptor(prototype, name)?.value;
      if (typeof method !== 'function' || name === 'constructor') continue;
      const own = joined(saidOf(method), saidOf(prototype, name));
      const inherited = own.isPublic ? [] : prototypes.slice(depth + 1).map((base) => saidOf(base, name));
      const all = [own, ...inherited];
      put(method, {
        isPublic: own.isPublic,
        scopes: all.find(({ scopes }) => scopes)?.scopes,
        permissions: all.find(({ permissions }) => permissions)?.permissions,
      });
    }
  });
}

/** For a function that replaces a method, e.g. one bound in a constructor. */
export function copyAccess(from: object, to: object): void {
  put(to, joined(saidOf(from), saidOf(to)));
}

/** The prototypes of a class and of those that it extends, its own first. */
export function lineage({ prototype }: RouteClass): object[] {
  const prototypes: object[] = [];
  for (let at: object | null = prototype; at && at !== Object.prototype; at = Reflect.getPrototypeOf(at)) {
    prototypes.push(at);
  }
  return prototypes;
}

function methodsAsk(controller: RouteClass): boolean {
  return lineage(controller).some((prototype) =>
    Reflect.ownKeys(prototype).some((name) => asks(saidOf(prototype, name))),
  );
}

function saidOfClasses(controller: RouteClass): Said[] {
  const [own, ...bases] = lineage(controller).map((prototype) =>
    joined(saidOf(prototype), saidOf(prototype.constructor)),
  );
  return own ? [joined(own, saidOf(controller)), ...bases] : [saidOf(controller)];
}

function saidOf(target: object, name?: string | symbol): Said {
  // The types do not know that an undefined name is none.
  const place = [target, name] as [object, string | symbol];
  return {
    isPublic: Reflect.getOwnMetadata(PUBLIC, ...place) === true,
    scopes: Reflect.getOwnMetadata(SCOPES, ...place) as readonly string[] | undefined,
    permissions: Reflect.getOwnMetadata(PERMISSIONS, ...place) as readonly string[] | undefined,
  };
}

function put(target: object, { isPublic, scopes, permissions }: Said): void {
  if (isPublic) Reflect.defineMetadata(PUBLIC, true, target);
  if (scopes) Reflect.defineMetadata(SCOPES, scopes, target);
  if (permissions) Reflect.defineMetadata(PERMISSIONS, permissions, target);
  Reflect.defineMetadata(GATHERED, true, target);
}

function joined(one: Said, other: Said): Said {
  return {
    isPublic: one.isPublic || other.isPublic,
    scopes: union(one.scopes, other.scopes),
    permissions: union(one.permissions, other.permissions),
  };
}

function union(
  one: readonly string[] | undefined,
  other: readonly string[] | undefined,
): readonly string[] | undefined {
  return one && other ? [...new Set([...one, ...other])] : (one ?? other);
}

function asks({ scopes, permissions }: Said): boolean {
  return scopes !== undefined || permissions !== undefined;
}

function named({ scopes, permissions }: Said): string {
  const decorators = [
    scopes && `@Scopes(${scopes.join(', ')})`,
    permissions && `@Permissions(${permissions.join(', ')})`,
  ];
  return decorators.filter(Boolean).join(' and ');
}
