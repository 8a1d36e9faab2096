import { All, Controller, Header, HttpCode, Inject, Req } from '@nestjs/common';
import { Public, TokenInspection } from '@app/auth';
import {
  isB64Token,
  isScope,
  issuedTokenKind,
  MAX_PASSWORD_BYTES,
  MAX_TOKEN_LENGTH,
  MAX_USERNAME_BYTES,
  type GrantResult,
} from '@app/contract';
import { UserTokenClient } from '@app/user-token-client';
import type { Client, GrantType } from '../../core/client.js';
import { callerOf } from '../caller.js';
import { fits } from '../credential-limits.js';
import { OAuthError } from '../oauth-error.js';
import { refusalOf, type RefusedGrant } from '../token-response.js';
import { BASIC_CHALLENGE, ClientAuthentication } from './client-authentication.js';
import { invalid, readForm, required, type Form, type FormRequest } from './form.js';
import { issuerOf } from './metadata.controller.js';
import { OAUTH2_OPTIONS, type OAuth2Options } from './oauth2.options.js';

/** RFC 6749 section 5.1. */
interface PairResponse {
  readonly access_token: string;
  readonly token_type: 'Bearer';
  /** Seconds. */
  readonly expires_in: number;
  readonly refresh_token: string | undefined;
  /** Seconds; without a refresh, the rest of the session. */
  readonly refresh_token_expires_in: number | undefined;
  readonly scope: string;
}

/** The RFC 6749 façade for registered clients: token, revocation (RFC 7009) and introspection (RFC 7662). */
@Public()
@Controller('oauth2')
export class OAuth2Controller {
  constructor(
    private readonly authentication: ClientAuthentication,
    private readonly userToken: UserTokenClient,
    private readonly inspection: TokenInspection,
    @Inject(OAUTH2_OPTIONS) private readonly options: OAuth2Options,
  ) {}

  @All('token')
  @HttpCode(200)
  @Header('Pragma', 'no-cache')
  async token(@Req() request: FormRequest): Promise<PairResponse> {
    const form = readForm(request);
    const client = await this.authentication.authenticate(request, form);
    const grantType = required(form, 'grant_type');
    switch (grantType) {
      case 'password':
        assertMayUse(client, grantType);
        return this.pairOf(await this.grantPassword(request, form, client));
      case 'refresh_token':
        assertMayUse(client, grantType);
        return this.pairOf(await this.grantRefresh(request, form, client));
      default:
        throw new OAuthError(400, 'unsupported_grant_type', 'grant_type must be password or refresh_token');
    }
  }

  /** 200 also for an unknown token: it is already invalid, as its client wants (RFC 7009 section 2.2). */
  @All('revoke')
  @HttpCode(200)
  // There is no body, but simple-oauth2 accepts only the JSON content type.
  @Header('Content-Type', 'application/json')
  async revoke(@Req() request: FormRequest): Promise<void> {
    const form = readForm(request);
    const { clientId } = await this.authentication.authenticate(request, form);
    const token = required(form, 'token');
    if (token.length > MAX_TOKEN_LENGTH || !isB64Token(token)) return;
    const { outcome } = await this.userToken.revokeToken({ requestId: request.id, token, clientId });
    if (outcome === 'foreign') {
      throw new OAuthError(400, 'invalid_grant', 'The token was issued to another client');
    }
    if (outcome === 'unsupported') {
      throw new OAuthError(
        400,
        'unsupported_token_type',
        'Only tokens that were issued here can be revoked here',
      );
    }
  }

  @All('introspect')
  @HttpCode(200)
  async introspect(@Req() request: FormRequest): Promise<object> {
    const form = readForm(request);
    const { clientId } = await this.authentication.authenticate(request, form);
    const token = required(form, 'token');
    if (token.length > MAX_TOKEN_LENGTH) return { active: false };
    if (issuedTokenKind(token) === 'refresh') return this.introspectRefreshToken(token, clientId, request.id);
    const principal = await this.inspection.principalOf(token, this.options.audience, request.id);
    if (!principal) return { active: false };
    const issued = issuedTokenKind(token) === 'access';
    return {
      active: true,
      scope: principal.scopes.join(' '),
      ...(principal.clientId !== undefined && { client_id: principal.clientId }),
      token_type: 'Bearer',
      exp: principal.expiresAtSeconds,
      iat: principal.issuedAtSeconds,
      sub: principal.subject,
      aud: principal.audience,
      iss: issued ? issuerOf(this.options, request) : principal.issuer,
    };
  }

  private async introspectRefreshToken(token: string, clientId: string, requestId: string): Promise<object> {
    const found = await this.userToken.inspectRefreshToken({ requestId, token, clientId });
    if (!found.active) return { active: false };
    return {
      active: true,
      scope: found.scope,
      client_id: clientId,
      exp: Math.floor(found.expiresAtSeconds),
      iat: found.issuedAtSeconds,
      sub: found.subject,
    };
  }

  private grantPassword(request: FormRequest, form: Form, client: Client): Promise<GrantResult> {
    const username = required(form, 'username');
    const password = required(form, 'password');
    if (!fits(username, MAX_USERNAME_BYTES)) throw invalid('username is too long');
    if (!fits(password, MAX_PASSWORD_BYTES)) throw invalid('password is too long');
    const asking = {
      clientId: client.clientId,
      allowed: [...client.scopes],
      asked: askedScopes(form, client),
    };
    return this.userToken.login({
      requestId: request.id,
      username,
      password,
      client: asking,
      ...callerOf(request),
    });
  }

  private grantRefresh(request: FormRequest, form: Form, client: Client): Promise<GrantResult> {
    const refreshToken = required(form, 'refresh_token');
    const asking = {
      clientId: client.clientId,
      allowed: [...client.scopes],
      asked: askedScopes(form, client),
    };
    if (issuedTokenKind(refreshToken) !== 'refresh') {
      return Promise.resolve({ granted: false, error: 'invalid_grant' });
    }
    return this.userToken.refreshGrant({
      requestId: request.id,
      refreshToken,
      client: asking,
      ...callerOf(request),
    });
  }

  private pairOf(result: GrantResult): PairResponse {
    if (!result.granted) {
      throw refusalOf(inRfcCharacters(result), {
        invalidGrant: 'The user, the password or the refresh token is wrong, or no longer good',
        invalidGrantStatus: this.options.invalidGrantStatus,
        ...(this.options.invalidGrantStatus === 401 && { challenge: BASIC_CHALLENGE }),
      });
    }
    const { accessToken, expiresInSeconds, refreshToken, refreshExpiresInSeconds, scope } = result.token;
    return {
      access_token: accessToken,
      token_type: 'Bearer',
      expires_in: expiresInSeconds,
      refresh_token: refreshToken,
      refresh_token_expires_in: refreshExpiresInSeconds,
      scope,
    };
  }
}

/** Some clients reject a description with characters beyond RFC 6749 section 5.2. */
function inRfcCharacters(refusal: RefusedGrant): RefusedGrant {
  const { description, ...rest } = refusal;
  const plain = description
    ?.normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .replaceAll('"', "'")
    .replace(/[^\x20-\x21\x23-\x5B\x5D-\x7E]+/g, '?');
  return plain !== undefined && /\w/.test(plain) ? { ...rest, description: plain } : rest;
}

function assertMayUse(client: Client, grantType: GrantType): void {
  if (client.grantTypes.includes(grantType)) return;
  throw new OAuthError(400, 'unauthorized_client', `This client may not use the grant ${grantType}`);
}

/** When absent: all that the client may have (at a refresh: all that was granted). */
function askedScopes(form: Form, client: Client): string[] | undefined {
  const scope = form.get('scope');
  if (scope === undefined) return undefined;
  const scopes = scope.split(' ');
  if (!isScope(scope)) {
    throw new OAuthError(400, 'invalid_scope', 'scope must be scope tokens with one space between them');
  }
  if (!scopes.every((token) => client.scopes.includes(token))) {
    throw new OAuthError(400, 'invalid_scope', 'This client may not ask for all of this scope');
  }
  return [...new Set(scopes)];
}
