import { Injectable } from '@nestjs/common';
import { AuthGuard, PassportModule, PassportStrategy } from '@nestjs/passport';
import jwksRsa from 'jwks-rsa';
import { ExtractJwt, Strategy } from 'passport-jwt';
import { serveNest, setting } from './serve.js';
import { mayReadVenues } from './venues.js';

const issuer = setting('ISSUER');

@Injectable()
class JwtStrategy extends PassportStrategy(Strategy) {
  constructor() {
    super({
      jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
      secretOrKeyProvider: jwksRsa.passportJwtSecret({ cache: true, jwksUri: new URL('jwks', issuer).href }),
      algorithms: ['RS256'],
      issuer,
      audience: setting('AUDIENCE'),
    });
  }

  validate(payload: { scope?: unknown }): object | false {
    return mayReadVenues(payload.scope) && payload;
  }
}

await serveNest({
  guard: AuthGuard('jwt'),
  module: { imports: [PassportModule], providers: [JwtStrategy] },
});
