import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { isScopeToken, type Principal } from '@app/user-token-client';
import { PERMISSIONS, PUBLIC, SCOPES } from './route-access.js';

type AccessDecorator = ClassDecorator & MethodDecorator;

/**
 * Opens a handler, or every handler of a controller, to everybody: the guard does not look at its requests. On a class it must
 * not meet anything that asks: handlers and classes that it extends included, the application does not start then.
 */
export const Public = (): AccessDecorator => said('@Public()', PUBLIC, () => true);

/**
 * Scopes that the access token must carry, all of them, those of a second `@Scopes()` in the same place as well. On a handler it
 * replaces what its controller asks, and is in force in subclasses that override the handler until they say another one.
 *
 * @throws {TypeError} for something that is not a scope-token (RFC 6749 section 3.3)
 */
export const Scopes = (...scopes: string[]): AccessDecorator => saidList('@Scopes()', SCOPES, scopes);

/** Permissions (Auth0's `permissions` claim) that the user must hold; otherwise like {@link Scopes}. */
export const Permissions = (...permissions: string[]): AccessDecorator =>
  saidList('@Permissions()', PERMISSIONS, permissions);

/** The {@link Principal} of the request; undefined on a `@Public()` route. */
export const CurrentUser = createParamDecorator(
  (_: unknown, context: ExecutionContext): Principal | undefined =>
    context.switchToHttp().getRequest<{ user?: Principal }>().user,
);

function saidList(decorator: string, key: string, list: readonly string[]): AccessDecorator {
  const tokens = list.map(scopeToken);
  return said<readonly string[]>(decorator, key, (before = []) => [...new Set([...before, ...tokens])]);
}

/**
 * Says it of a method's name as well as of its function, since a decorator further out may put another function there; and of a
 * class's prototype as well as of the class, since it may put another class there.
 */
function said<T>(decorator: string, key: string, value: (before: T | undefined) => T): AccessDecorator {
  return (target: object, name?: string | symbol, descriptor?: { readonly value?: unknown }): void => {
    if (name === undefined) {
      say(key, value, target);
      say(key, value, (target as { readonly prototype: object }).prototype);
      return;
    }
    if (typeof descriptor?.value !== 'function') {
      throw new TypeError(`${decorator} is for classes and methods, which "${String(name)}" is not`);
    }
    say(key, value, descriptor.value);
    say(key, value, target, name);
  };
}

function say<T>(
  key: string,
  value: (before: T | undefined) => T,
  target: object,
  name?: string | symbol,
): void {
  // The types do not know that an undefined name is none.
  const place = [target, name] as [object, string | symbol];
  Reflect.defineMetadata(key, value(Reflect.getOwnMetadata(key, ...place) as T | undefined), ...place);
}

/** Ends up in a quoted string of WWW-Authenticate, so nothing but the grammar's characters may pass. */
function scopeToken(scope: string): string {
  if (!isScopeToken(scope)) {
    throw new TypeError(`"${scope}" is not a scope-token (RFC 6749 section 3.3)`);
  }
  return scope;
}
