import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import {
  bearerChallenge,
  BearerRefusal,
  INVALID_TOKEN_DESCRIPTION,
  readBearerCredentials,
  type BearerRequest,
} from '@app/auth';

export const REALM = 'gateway';

/**
 * The access token of a request, active or not: refresh and log-out also accept expired ones, and user-token judges.
 * Anything other than exactly one well-formed bearer token is refused, as by the guard.
 */
export const PresentedToken = createParamDecorator((_: unknown, context: ExecutionContext): string => {
  const credentials = readBearerCredentials(context.switchToHttp().getRequest<BearerRequest>());
  switch (credentials.kind) {
    case 'token':
      return credentials.token;
    case 'none':
      throw new BearerRefusal(undefined, 'An access token is required', bearerChallenge({ realm: REALM }));
    case 'invalid_request':
      throw presentedBadly('invalid_request', credentials.description);
    case 'invalid_token':
      throw presentedBadly('invalid_token', INVALID_TOKEN_DESCRIPTION);
  }
});

function presentedBadly(error: 'invalid_request' | 'invalid_token', description: string): BearerRefusal {
  return new BearerRefusal(error, description, bearerChallenge({ realm: REALM, error, description }));
}
