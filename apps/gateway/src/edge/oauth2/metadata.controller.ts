import { Controller, Get, Header, Inject, Req } from '@nestjs/common';
import { Public } from '@app/auth';
import { ClientRegistry, GRANT_TYPES } from '../../core/client.js';
import { OAUTH2_OPTIONS, type OAuth2Options } from './oauth2.options.js';

const AUTHENTICATION_METHODS = ['client_secret_basic', 'client_secret_post'];

interface LocalRequest {
  readonly raw: { readonly socket: { readonly localPort?: number | undefined } };
}

/** RFC 8414. */
@Public()
@Controller('.well-known')
export class MetadataController {
  constructor(
    private readonly registry: ClientRegistry,
    @Inject(OAUTH2_OPTIONS) private readonly options: OAuth2Options,
  ) {}

  @Get('oauth-authorization-server')
  @Header('Cache-Control', 'public, max-age=300')
  async metadata(@Req() request: LocalRequest) {
    const issuer = issuerOf(this.options, request);
    return {
      issuer,
      token_endpoint: `${issuer}/oauth2/token`,
      token_endpoint_auth_methods_supported: AUTHENTICATION_METHODS,
      revocation_endpoint: `${issuer}/oauth2/revoke`,
      revocation_endpoint_auth_methods_supported: AUTHENTICATION_METHODS,
      introspection_endpoint: `${issuer}/oauth2/introspect`,
      introspection_endpoint_auth_methods_supported: AUTHENTICATION_METHODS,
      grant_types_supported: GRANT_TYPES,
      // REQUIRED by RFC 8414, and empty: there is no authorization endpoint.
      response_types_supported: [],
      scopes_supported: await this.registry.scopes(),
    };
  }
}

/** The configured name of the gateway, never the Host header. */
export function issuerOf({ publicUrl }: OAuth2Options, { raw }: { raw: object }): string {
  const { socket } = raw as LocalRequest['raw'];
  return publicUrl ?? `http://localhost:${socket.localPort}`;
}
