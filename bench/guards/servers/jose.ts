import { Injectable, UnauthorizedException, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { serveNest, setting } from './serve.js';
import { mayReadVenues } from './venues.js';

const issuer = setting('ISSUER');
const keys = createRemoteJWKSet(new URL('jwks', issuer));

/** The guard that most would write: every request verified on the spot. */
@Injectable()
class JoseGuard implements CanActivate {
  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<{ headers: Record<string, string>; user: unknown }>();
    const [, token] = /^Bearer (.+)$/.exec(request.headers['authorization'] ?? '') ?? [];
    if (!token) throw new UnauthorizedException();
    try {
      const { payload } = await jwtVerify(token, keys, {
        algorithms: ['RS256'],
        issuer,
        audience: setting('AUDIENCE'),
      });
      request.user = payload;
      return mayReadVenues(payload['scope']);
    } catch {
      throw new UnauthorizedException();
    }
  }
}

await serveNest({ guard: JoseGuard });
