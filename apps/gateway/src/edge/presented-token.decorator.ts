import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { BearerRefusal, readBearerToken, type BearerRequest } from '@app/auth';

export const REALM = 'gateway';

/**
 * The access token of a request, active or not: refresh and log-out also accept expired ones, and user-token judges.
 * Anything other than exactly one well-formed bearer token is refused, as by the guard.
 */
export const PresentedToken = createParamDecorator((_: unknown, context: ExecutionContext): string => {
  const token = readBearerToken(context.switchToHttp().getRequest<BearerRequest>());
  if (typeof token !== 'string') throw new BearerRefusal(token, REALM);
  return token;
});
