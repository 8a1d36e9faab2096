import { newIssuedToken, type GrantedToken, type Principal } from '@app/contract';
import type { UpstreamGrant } from '../authorization-server.js';
import { nowInSeconds, type Clock } from '../clock.js';
import type { Issued, Session, SessionLifetimes } from '../sessions/sessions.js';

/** The holder of a session, and the tokens that it gets in place of the authorization server's. */
export interface TokenIssuance {
  /** OAuth client; undefined for our own front ends. */
  readonly clientId: string | undefined;
  /** Whether the scope of this request lies within the scope of the log-in. */
  covers(session: Session): boolean;
  /** Whether an earlier answer to the same holder fits this request: no wider. */
  takes(answer: GrantedToken): boolean;
  /**
   * @param session the one of the refresh; undefined at log-in
   * @returns undefined when nothing is left of the scope of the request
   */
  issue(
    upstream: UpstreamGrant,
    principal: Principal,
    session: Session | undefined,
  ): IssuedForSession | undefined;
}

export interface IssuedForSession extends Issued {
  /** All scopes of the session; its token may carry less. */
  readonly scope: string;
}

/** Our own front ends: they get the authorization server's access token, and refresh by it. */
export class OwnFrontEndIssuance implements TokenIssuance {
  readonly clientId = undefined;

  covers(): boolean {
    return true;
  }

  takes(): boolean {
    return true;
  }

  issue(
    { accessToken, expiresInSeconds, scope: granted }: UpstreamGrant,
    _principal: Principal,
    session: Session | undefined,
  ): IssuedForSession {
    const scope = granted || (session?.scope ?? '');
    return { token: { accessToken, expiresInSeconds, scope }, scope };
  }
}

/** A registered client and its request. */
export interface AskingClient {
  readonly clientId: string;
  /** Scopes that this client may have. */
  readonly allowed: readonly string[];
  /** Scopes of this request; absent: all that the client can have. */
  readonly asked?: readonly string[] | undefined;
}

/**
 * Registered clients (RFC 6749): an opaque pair of our own, 256 random bits each. A refresh replaces both.
 */
export class ClientIssuance implements TokenIssuance {
  readonly clientId: string;

  constructor(
    private readonly client: AskingClient,
    private readonly lifetimes: SessionLifetimes,
    private readonly clock: Clock,
  ) {
    this.clientId = client.clientId;
  }

  covers({ scope }: Session): boolean {
    const granted = scope.split(' ');
    return (this.client.asked ?? []).every((asked) => granted.includes(asked));
  }

  takes({ scope }: GrantedToken): boolean {
    const { asked, allowed } = this.client;
    return scope.split(' ').every((granted) => (asked ?? allowed).includes(granted));
  }

  issue(
    upstream: UpstreamGrant,
    principal: Principal,
    session: Session | undefined,
  ): IssuedForSession | undefined {
    const { clientId, allowed } = this.client;
    const { idleSeconds, absoluteSeconds } = this.lifetimes;
    const asked = this.client.asked ?? scopesOf(session?.scope) ?? allowed;
    // RFC 6749 section 5.1: an answer without `scope` grants the scope of the request.
    const had = scopesOf(upstream.scope) ?? asked;
    const scopes = asked.filter((scope) => allowed.includes(scope) && had.includes(scope));
    if (scopes.length === 0) return undefined;
    const nowSeconds = nowInSeconds(this.clock);
    const absoluteEnd = (session?.startedAtSeconds ?? nowSeconds) + absoluteSeconds;
    const scope = scopes.join(' ');
    return {
      scope: session?.scope ?? scope,
      token: {
        accessToken: newIssuedToken('access', principal.subject),
        expiresInSeconds: Math.max(0, Math.floor(principal.expiresAtSeconds - nowSeconds)),
        scope,
        refreshToken: newIssuedToken('refresh', principal.subject),
        refreshExpiresInSeconds: Math.max(0, Math.floor(Math.min(idleSeconds, absoluteEnd - nowSeconds))),
      },
      principal: {
        ...principal,
        clientId,
        scopes,
        // A permission that the client has no scope for would undo the narrowing of the scope.
        permissions: principal.permissions.filter((permission) => scopes.includes(permission)),
      },
    };
  }
}

function scopesOf(scope: string | undefined): readonly string[] | undefined {
  return scope ? scope.split(' ').filter(Boolean) : undefined;
}

/** Finds the issuance of a request. */
export class TokenIssuances {
  private readonly own = new OwnFrontEndIssuance();

  constructor(
    private readonly lifetimes: SessionLifetimes,
    private readonly clock: Clock,
  ) {}

  of(client: AskingClient | undefined): TokenIssuance {
    return client ? new ClientIssuance(client, this.lifetimes, this.clock) : this.own;
  }
}
