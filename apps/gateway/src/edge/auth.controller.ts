import { Body, Controller, Delete, Get, Header, HttpCode, Inject, Param, Post, Req } from '@nestjs/common';
import { bearerChallenge, CurrentUser, INVALID_TOKEN_DESCRIPTION, Public, type Principal } from '@app/auth';
import { issuedTokenKind, type LogoutResult, type SessionRefusal } from '@app/contract';
import { UserTokenClient } from '@app/user-token-client';
import { loginSchema, type LoginBody } from './auth.schemas.js';
import { callerOf } from './caller.js';
import { LOGIN_OPTIONS, type LoginOptions } from './login.options.js';
import { OAuthError } from './oauth-error.js';
import { PresentedToken, REALM } from './presented-token.decorator.js';
import { tokenResponse, type TokenResponse } from './token-response.js';

interface IdentifiedRequest {
  readonly id: string;
  readonly ip: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** A session of the user; times in seconds since the epoch. */
interface SessionResponse {
  readonly id: string;
  /** Whether it is the session of this request. */
  readonly current: boolean;
  /** Registered client; absent for our own front ends. */
  readonly client_id?: string | undefined;
  readonly user_agent?: string | undefined;
  readonly address?: string | undefined;
  readonly created_at: number;
  /** Last log-in or refresh. */
  readonly last_used_at: number;
}

/** Log-in, refresh and log-out for our own front ends. No answer holds a refresh token. */
@Controller('auth')
export class AuthController {
  constructor(
    private readonly userToken: UserTokenClient,
    @Inject(LOGIN_OPTIONS) private readonly options: LoginOptions,
  ) {}

  @Public()
  @Post('login')
  @HttpCode(200)
  @Header('Pragma', 'no-cache')
  async login(
    @Body({ schema: loginSchema }) { username, password, realm }: LoginBody,
    @Req() request: IdentifiedRequest,
  ): Promise<TokenResponse> {
    const { id: requestId } = request;
    if (realm !== undefined && !this.options.realms.includes(realm)) throw realmNotAllowed();
    const result = await this.userToken.login({ requestId, username, password, realm, ...callerOf(request) });
    return tokenResponse(result, { invalidGrant: 'Wrong username or password' });
  }

  @Public()
  @Post('refresh')
  @HttpCode(200)
  @Header('Pragma', 'no-cache')
  async refresh(
    @PresentedToken() accessToken: string,
    @Req() request: IdentifiedRequest,
  ): Promise<TokenResponse> {
    const { id: requestId } = request;
    const result = await this.userToken.refresh({ requestId, accessToken, ...callerOf(request) });
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
    assertOwnFrontEnd(accessToken);
    assertEnded(await this.userToken.logoutAll({ requestId, accessToken }));
  }

  /** Sessions of the user, the last used first. */
  @Get('sessions')
  async sessions(
    @PresentedToken() accessToken: string,
    @Req() { id: requestId }: IdentifiedRequest,
  ): Promise<{ sessions: SessionResponse[] }> {
    assertOwnFrontEnd(accessToken);
    const result = await this.userToken.listSessions({ requestId, accessToken });
    if (!result.listed) throw refused(result.reason);
    return {
      sessions: result.sessions.map((session) => ({
        id: session.id,
        current: session.current,
        client_id: session.clientId,
        user_agent: session.userAgent,
        address: session.address,
        created_at: session.createdAtSeconds,
        last_used_at: session.usedAtSeconds,
      })),
    };
  }

  @Delete('sessions/:id')
  @HttpCode(204)
  async endSession(
    @PresentedToken() accessToken: string,
    @Param('id') sessionId: string,
    @Req() { id: requestId }: IdentifiedRequest,
  ): Promise<void> {
    assertOwnFrontEnd(accessToken);
    const known = SESSION_ID.test(sessionId);
    const result = known
      ? await this.userToken.endSession({ requestId, accessToken, sessionId })
      : ({ ended: false, reason: 'unknown_session' } as const);
    if (result.ended) return;
    if (result.reason !== 'unknown_session') throw refused(result.reason);
    throw new OAuthError(404, 'not_found', 'You have no session of this id');
  }

  /** Ends all sessions, also that of this request; the same as `POST /auth/logout-all`. */
  @Delete('sessions')
  @HttpCode(204)
  async endSessions(
    @PresentedToken() accessToken: string,
    @Req() { id: requestId }: IdentifiedRequest,
  ): Promise<void> {
    assertOwnFrontEnd(accessToken);
    assertEnded(await this.userToken.logoutAll({ requestId, accessToken }));
  }

  /** The user of the access token. */
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

/** A registered client acts for its user within its scope, and must not see the user's other sessions. */
function assertOwnFrontEnd(accessToken: string): void {
  if (issuedTokenKind(accessToken) !== undefined) throw notPermitted();
}

const SESSION_ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function assertEnded(result: LogoutResult): void {
  if (!result.ended) throw refused(result.reason);
}

function refused(reason: SessionRefusal): OAuthError {
  return reason === 'not_permitted' ? notPermitted() : invalidToken();
}

function notPermitted(): OAuthError {
  return new OAuthError(403, 'access_denied', 'This token may not see or end the sessions of its user');
}

/** A tenant also has connections for other users, such as its staff. */
function realmNotAllowed(): OAuthError {
  return new OAuthError(
    400,
    'invalid_request',
    'realm: must be a connection that users of this service log in with',
  );
}

function invalidToken(): OAuthError {
  const refusal = { error: 'invalid_token', description: INVALID_TOKEN_DESCRIPTION } as const;
  return new OAuthError(401, refusal.error, refusal.description, {
    challenge: bearerChallenge({ realm: REALM, ...refusal }),
  });
}
