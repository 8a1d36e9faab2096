import { Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { auth, requiredScopes, UnauthorizedError } from 'express-oauth2-jwt-bearer';
import { serveNest, setting } from './serve.js';
import { REQUIRED_SCOPE } from './venues.js';

interface Response {
  status(code: number): Response;
  set(headers: Readonly<Record<string, string>>): Response;
  json(body: object): void;
}

/** Its errors are no HttpExceptions: without this Nest would answer 500. */
@Catch(UnauthorizedError)
class UnauthorizedFilter implements ExceptionFilter<UnauthorizedError> {
  catch({ status, headers, message }: UnauthorizedError, host: ArgumentsHost): void {
    host
      .switchToHttp()
      .getResponse<Response>()
      .status(status)
      .set({ ...headers })
      .json({ message });
  }
}

const issuer = setting('ISSUER');
await serveNest({
  platform: 'express',
  prepare: (app) => {
    app.useGlobalFilters(new UnauthorizedFilter());
    app.use(
      auth({
        issuer,
        jwksUri: new URL('jwks', issuer).href,
        audience: setting('AUDIENCE'),
        tokenSigningAlg: 'RS256',
      }),
      requiredScopes(REQUIRED_SCOPE),
    );
  },
});
