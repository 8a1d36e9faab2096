/** OpenID Connect Core section 5.3, with the refusals of Auth0: plain text, the reason only in the challenge. */
import { Controller, Get, Post, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AuthorizationServer } from '../../authorization-server.js';
import { claimsFor } from '../../adapters/oidc-provider/claims.js';

/** RFC 6750 section 2.1. */
const bearerCredentials = /^Bearer +([A-Za-z0-9\-._~+/]+=*)$/i;

@Controller('userinfo')
export class UserinfoController {
  constructor(private readonly server: AuthorizationServer) {}

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
    const read = await this.server.tokenReader.read(token);
    if (!read.active) return refuse(reply, read.reason);
    void reply.send(claimsFor(read.user, read.scopes));
  }
}

function refuse(reply: FastifyReply, reason?: string): void {
  const why = reason === undefined ? '' : `, error="invalid_token", error_description="${reason}"`;
  void reply
    .code(401)
    .header('www-authenticate', `Bearer realm="Users"${why}`)
    .type('text/plain; charset=utf-8')
    .send('Unauthorized');
}
