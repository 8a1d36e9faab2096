import { isIP } from 'node:net';
import { Body, Controller, Get, Header, HttpCode, Ip, Post, Req } from '@nestjs/common';
import { bearerChallenge, CurrentUser, INVALID_TOKEN_DESCRIPTION, Public, type Principal } from '@app/auth';
import { UserTokenClient, type LogoutResult } from '@app/user-token-client';
import { loginSchema, type LoginBody } from './auth.schemas.js';
import { OAuthError } from './oauth-error.js';
import { PresentedToken, REALM } from './presented-token.decorator.js';
import { tokenResponse, type TokenResponse } from './token-response.js';

interface IdentifiedRequest {
  readonly id: string;
}

/** Log-in, refresh and log-out for our own front ends. No answer holds a refresh token. */
@Controller('auth')
export class AuthController {
  constructor(private readonly userToken: UserTokenClient) {}

  @Public()
  @Post('login')
  @HttpCode(200)
  @Header('Pragma', 'no-cache')
  async login(
    @Body({ schema: loginSchema }) { username, password, realm }: LoginBody,
    @Ip() clientAddress: string,
    @Req() { id: requestId }: IdentifiedRequest,
  ): Promise<TokenResponse> {
    const result = await this.userToken.login({
      requestId,
      username,
      password,
      realm,
      clientAddress: endUserAddress(clientAddress),
    });
    return tokenResponse(result, { invalidGrant: 'Wrong username or password' });
  }

  @Public()
  @Post('refresh')
  @HttpCode(200)
  @Header('Pragma', 'no-cache')
  async refresh(
    @PresentedToken() accessToken: string,
    @Req() { id: requestId }: IdentifiedRequest,
  ): Promise<TokenResponse> {
    const result = await this.userToken.refresh({ requestId, accessToken });
    return tokenResponse(result, { invalidGrant: 'There is no session to refresh; log in again' });
  }

  @Public()
  @Post('logout')
  @HttpCode(204)
  async logout(
    @PresentedToken() accessToken: string,
    @Req() { id: requestId }: IdentifiedRequest,
  ): Promise<void> {
    const result = await this.userToken.logout({ requestId, accessToken });
    assertEnded(result);
  }

  /** Ends all sessions of the user, on every device. */
  @Public()
  @Post('logout-all')
  @HttpCode(204)
  async logoutAll(
    @PresentedToken() accessToken: string,
    @Req() { id: requestId }: IdentifiedRequest,
  ): Promise<void> {
    assertEnded(await this.userToken.logoutAll({ requestId, accessToken }));
  }

  /** Who the access token speaks for. */
  @Get('me')
  me(@CurrentUser() user: Principal) {
    const { subject, clientId, scopes, permissions, expiresAtSeconds, claims } = user;
    return {
      ...claims,
      sub: subject,
      ...(clientId !== undefined && { client_id: clientId }),
      scope: scopes.join(' '),
      permissions,
      exp: expiresAtSeconds,
    };
  }
}

function assertEnded(result: LogoutResult): void {
  if (result.ended) return;
  const refusal = { error: 'invalid_token', description: INVALID_TOKEN_DESCRIPTION } as const;
  throw new OAuthError(401, refusal.error, refusal.description, {
    challenge: bearerChallenge({ realm: REALM, ...refusal }),
  });
}

/** Auth0 takes plain addresses: not `::ffff:1.2.3.4`, no zone, no port. One that is none is left out, and does not stop a log-in. */
function endUserAddress(address: string): string | undefined {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
  return isIP(plain) === 0 ? undefined : plain;
}
