import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { isScopeToken, type Principal } from '@app/contract';
import { PERMISSIONS, PUBLIC, SCOPES } from './route-access.js';

type AccessDecorator = ClassDecorator & MethodDecorator;

/**
 * Opens a handler, or every handler of a controller, to all requests: the guard does not look at them. On a class it must not
 * meet a requirement, on its handlers and on classes that it extends included; otherwise the application does not start.
 */
export const Public = (): AccessDecorator => said('@Public()', PUBLIC, () => true);

/**
 * Scopes that the access token must all carry, those of a second `@Scopes()` in the same place included. On a handler it
 * replaces the scopes of its controller. It stays in force in subclasses that override the handler, until they name others.
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
 * Stores it under a method's name and on its function, because an outer decorator may replace the function; and on a class and
 * its prototype, because an outer decorator may replace the class.
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

/** Ends up in a quoted string of WWW-Authenticate, so only the grammar's characters may pass. */
function scopeToken(scope: string): string {
  if (!isScopeToken(scope)) {
    throw new TypeError(`"${scope}" is not a scope-token (RFC 6749 section 3.3)`);
  }
  return scope;
}
