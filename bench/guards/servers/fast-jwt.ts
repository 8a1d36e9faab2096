import { createPublicKey, type JsonWebKey } from 'node:crypto';
import { Injectable, UnauthorizedException, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { createVerifier } from 'fast-jwt';
import { serveNest, setting } from './serve.js';
import { mayReadVenues } from './venues.js';

const issuer = setting('ISSUER');
const { keys } = (await (await fetch(new URL('jwks', issuer))).json()) as { keys: [JsonWebKey] };
const key = createPublicKey({ key: keys[0], format: 'jwk' }).export({ type: 'spki', format: 'pem' });
// A fixed key and a synchronous verifier are in its favour: no key look-up, no promise.
const verify = createVerifier({
  key,
  algorithms: ['RS256'],
  allowedIss: issuer,
  allowedAud: setting('AUDIENCE'),
  cache: 5_000,
}) as (token: string) => { scope?: unknown };

@Injectable()
class FastJwtGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<{ headers: Record<string, string>; user: unknown }>();
    const [, token] = /^Bearer (.+)$/.exec(request.headers['authorization'] ?? '') ?? [];
    if (!token) throw new UnauthorizedException();
    try {
      const payload = verify(token);
      request.user = payload;
      return mayReadVenues(payload.scope);
    } catch {
      throw new UnauthorizedException();
    }
  }
}

await serveNest({ guard: FastJwtGuard });
