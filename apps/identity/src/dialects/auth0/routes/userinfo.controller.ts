/** OpenID Connect Core section 5.3, with the refusals of Auth0: plain text, the reason only in the challenge. */
import { Controller, Get, Post, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { claimsFor } from '../../../core/claims.js';
import type { UnreadableToken } from '../../../core/read-token.js';
import { Tenant } from '../../../tenant.js';
import { paths } from '../words/paths.js';

/** RFC 6750 section 2.1. */
const bearerCredentials = /^Bearer +([A-Za-z0-9\-._~+/]+=*)$/i;

@Controller(paths.userinfo)
export class UserinfoController {
  constructor(private readonly tenant: Tenant) {}

  @Get()
  get(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.userinfo(request, reply);
  }

  @Post()
  post(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.userinfo(request, reply);
  }

  private async userinfo(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    void reply.header('cache-control', 'no-store');
    const token = bearerCredentials.exec(request.headers.authorization ?? '')?.[1];
    if (token === undefined) return refuse(reply);
    const read = await this.tenant.readToken(token);
    if (!read.active) return refuse(reply, read.reason);
    void reply.send(claimsFor(read.user, read.scopes));
  }
}

const descriptions: Readonly<Record<UnreadableToken, string>> = {
  token_unknown: 'The access token is unknown or has expired',
  token_invalid: 'The access token is not valid here',
  token_expired: 'The token has expired',
  user_not_allowed: 'The user may not log in',
  openid_missing: 'The token lacks the scope openid',
};

function refuse(reply: FastifyReply, reason?: UnreadableToken): void {
  const why =
    reason === undefined ? '' : `, error="invalid_token", error_description="${descriptions[reason]}"`;
  void reply
    .code(401)
    .header('www-authenticate', `Bearer realm="Users"${why}`)
    .type('text/plain; charset=utf-8')
    .send('Unauthorized');
}
