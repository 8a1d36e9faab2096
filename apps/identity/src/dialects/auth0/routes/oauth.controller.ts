import { All, Controller, Post, Req, Res, type RawBodyRequest } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { FormBody } from '@app/ops';
import { Tenant } from '../../../tenant.js';
import { paths } from '../words/paths.js';
import { tokenRequestParameters } from '../words/token-request.js';
import { assertUtf8, formParameters, ParameterError } from './form-parameters.js';

const clientParameters = ['client_id', 'client_secret'];
const tokenParameters = ['grant_type', ...clientParameters, ...tokenRequestParameters, 'refresh_token'];
const revocationParameters = [...clientParameters, 'token', 'token_type_hint'];

/** Passes requests on to the tenant; the two endpoints with parameters accept a form or JSON. */
@Controller()
export class OAuthController {
  constructor(private readonly tenant: Tenant) {}

  @Post(paths.token)
  token(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.submit(request, reply, tokenParameters, 'grant_type');
  }

  @Post(paths.revocation)
  revoke(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.submit(request, reply, revocationParameters, 'token');
  }

  @All('*')
  async rest(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    await this.handOver(request, reply);
  }

  private async submit(
    request: FastifyRequest,
    reply: FastifyReply,
    names: readonly string[],
    required: string,
  ): Promise<void> {
    const form = readForm(request, names, required);
    if (typeof form === 'string') {
      return void reply
        .code(400)
        .headers({ 'cache-control': 'no-store', pragma: 'no-cache' })
        .send({ error: 'invalid_request', error_description: form });
    }
    await this.handOver(request, reply, form);
  }

  private async handOver(
    request: FastifyRequest,
    reply: FastifyReply,
    form?: URLSearchParams,
  ): Promise<void> {
    reply.hijack();
    // Headers of the frame, such as the request id, are sent by Fastify and would be lost.
    for (const [name, value] of Object.entries(reply.getHeaders())) {
      if (value !== undefined) reply.raw.setHeader(name, value);
    }
    await this.tenant.answer({ raw: request.raw, address: request.ip, form }, reply.raw);
  }
}

/** @returns the form, or its fault */
function readForm(
  { body, rawBody }: RawBodyRequest<FastifyRequest>,
  names: readonly string[],
  required: string,
): URLSearchParams | string {
  try {
    if (body instanceof FormBody && rawBody) assertUtf8(rawBody);
    const form = formParameters(body, names);
    return form.get(required) ? form : `Missing required parameter: ${required}`;
  } catch (error) {
    if (error instanceof ParameterError) return error.message;
    throw error;
  }
}
