import { newIssuedToken, type GrantedToken, type Principal } from '@app/contract';
import type { UpstreamGrant } from './authorization-server.js';
import { nowInSeconds, type Clock } from './clock.js';
import type { Issued, Session } from './sessions.js';

/** Whom a session belongs to, and which tokens its holder gets for those of the authorization server. */
export interface Front {
  /** OAuth client; undefined for our own front ends. */
  readonly clientId: string | undefined;
  /** Whether what is asked for now lies within what was granted at log-in. */
  covers(session: Session): boolean;
  /** Whether an answer that was given to the same holder is one to what is asked for now: no wider. */
  takes(answer: GrantedToken): boolean;
  /**
   * @param session what is being refreshed; undefined at log-in
   * @returns undefined when nothing of the scope that is asked for can be granted
   */
  issue(upstream: UpstreamGrant, principal: Principal, session: Session | undefined): FrontIssued | undefined;
}

export interface FrontIssued extends Issued {
  /** All that the session has been granted. */
  readonly scope: string;
}

/** Our own front ends: they get the authorization server's access token, and it is also what they refresh by. */
export class AccessTokenFront implements Front {
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
  ): FrontIssued {
    const scope = granted || (session?.scope ?? '');
    return { token: { accessToken, expiresInSeconds, scope }, scope };
  }
}

/** A registered client and what it asks for. */
export interface AskingClient {
  readonly clientId: string;
  /** Scopes that this client may have. */
  readonly allowed: readonly string[];
  /** Scopes that this request asks for; all it can have when absent. */
  readonly asked?: readonly string[] | undefined;
}

/** How long a session may be left without a refresh, and how long it may last. */
export interface SessionLifetimes {
  readonly idleSeconds: number;
  readonly absoluteSeconds: number;
}

/**
 * Registered clients (RFC 6749): an opaque pair of our own, 256 random bits each, in place of the authorization server's tokens.
 * A refresh replaces both.
 */
export class ClientFront implements Front {
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
  ): FrontIssued | undefined {
    const { clientId, allowed } = this.client;
    const { idleSeconds, absoluteSeconds } = this.lifetimes;
    const asked = this.client.asked ?? scopesOf(session?.scope) ?? allowed;
    // RFC 6749 section 5.1: an answer without `scope` grants what was asked for.
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

/** Which front a request came in by. */
export class Fronts {
  private readonly own = new AccessTokenFront();

  constructor(
    private readonly lifetimes: SessionLifetimes,
    private readonly clock: Clock,
  ) {}

  of(client: AskingClient | undefined): Front {
    return client ? new ClientFront(client, this.lifetimes, this.clock) : this.own;
  }
}
