import { hash } from 'node:crypto';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { serveNest } from './serve.js';

const known = new Map<string, object>();

/** The least that a cache keyed by a hash of the token can take: one SHA-256 and one Map. Knows everybody; checks nothing. */
class HashGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<{ headers: Record<string, string>; user: unknown }>();
    const key = hash('sha256', request.headers['authorization']?.slice(7) ?? '', 'base64url');
    let user = known.get(key);
    if (!user) known.set(key, (user = {}));
    request.user = user;
    return true;
  }
}

await serveNest({ guard: HashGuard });
