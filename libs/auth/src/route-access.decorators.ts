import { createParamDecorator, SetMetadata, type ExecutionContext } from '@nestjs/common';
import type { Principal } from '@app/user-token-client';

export const PUBLIC = 'auth:public';
export const SCOPES = 'auth:scopes';
export const PERMISSIONS = 'auth:permissions';

/** Opens a handler, or every handler of a controller, to everybody: the guard does not look at its requests. */
export const Public = () => SetMetadata(PUBLIC, true);

/**
 * Scopes that the access token must carry, all of them. On a handler it replaces what its controller asks.
 *
 * @throws {TypeError} for something that is not a scope-token (RFC 6749 section 3.3)
 */
export const Scopes = (...scopes: string[]) => SetMetadata(SCOPES, scopes.map(scopeToken));

/** Permissions (Auth0's `permissions` claim) that the user must hold, all of them. On a handler it replaces what its controller asks. */
export const Permissions = (...permissions: string[]) =>
  SetMetadata(PERMISSIONS, permissions.map(scopeToken));

/** The {@link Principal} of the request; undefined on a `@Public()` route. */
export const CurrentUser = createParamDecorator(
  (_: unknown, context: ExecutionContext): Principal | undefined =>
    context.switchToHttp().getRequest<{ user?: Principal }>().user,
);

/** Ends up in a quoted string of WWW-Authenticate, so nothing but the grammar's characters may pass. */
function scopeToken(scope: string): string {
  if (!/^[\x21\x23-\x5B\x5D-\x7E]+$/.test(scope)) {
    throw new TypeError(`"${scope}" is not a scope-token (RFC 6749 section 3.3)`);
  }
  return scope;
}
