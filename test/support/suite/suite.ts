import { startSuite, type RunningSuite } from '@app/local';
import { PATIENT } from '../timing/patient.js';
import { RedisServer } from '../redis/redis-server.js';

const SECRETS = {
  AUTH0_CLIENT_SECRET: 'venue-suite-local-secret',
  SESSION_SECRETS: 'e2e-session-secret-0123456789-0123456789',
  TOKEN_CACHE_SECRET: 'e2e-token-cache-secret-0123456789-01234',
};

export interface User {
  readonly username: string;
  readonly password: string;
}

export const ada: User = { username: 'ada@example.com', password: 'analytical-engine-1843' };
export const grace: User = { username: 'grace@example.com', password: 'nanosecond-11.8-inches' };
export const mallory: User = { username: 'mallory@example.com', password: 'blocked-for-good-0' };

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body of a JSON answer. */
  readonly body: any;
}

/**
 * The suite under test: its own, in this process on a private Redis, or, with E2E_GATEWAY_URL, E2E_VENUE_URL and
 * E2E_ISSUER_URL, a running one (`npm start`, or the containers).
 */
export class Suite {
  readonly logs: string[] = [];
  readonly refreshTokens: string[] = [];
  private readonly answers: string[] = [];
  private readonly accessTokens = new Set<string>();

  private constructor(
    readonly gatewayUrl: string,
    readonly venueUrl: string,
    readonly issuer: string,
    /** Only for its own suite. */
    readonly own: { readonly running: RunningSuite; readonly redis: RedisServer } | undefined,
  ) {}

  static async open(environment: Readonly<Record<string, string>> = {}): Promise<Suite> {
    const { E2E_GATEWAY_URL: gatewayUrl, E2E_VENUE_URL: venueUrl, E2E_ISSUER_URL: issuer } = process.env;
    if (gatewayUrl && venueUrl && issuer) return new Suite(gatewayUrl, venueUrl, issuer, undefined);

    const redis = await RedisServer.start();
    const logs: string[] = [];
    const anyPort = Object.fromEntries(
      ['IDENTITY', 'USER_TOKEN', 'GATEWAY', 'VENUE'].flatMap((name) => [
        [`${name}_PORT`, '0'],
        [`${name}_OPS_PORT`, '0'],
      ]),
    );
    const running = await startSuite(
      {
        ENVIRONMENT: 'local',
        LOG_LEVEL: 'trace',
        REDIS_URL: redis.url,
        // One machine, one clock: a log-in after a log-out everywhere waits for the next second at most.
        CLOCK_TOLERANCE_SECONDS: '0',
        ...SECRETS,
        ...anyPort,
        ...environment,
      },
      { logDestination: { write: (line) => void logs.push(line) }, storeBudgets: PATIENT },
    );
    const suite = new Suite(running.gatewayUrl, running.venueUrl, running.issuer, { running, redis });
    Object.assign(suite, { logs });
    running.identity?.tenant.events.on('refresh_token', (token) => suite.refreshTokens.push(token));
    return suite;
  }

  /** Stops its own suite, after a search for leaked secrets. */
  async close(): Promise<void> {
    if (!this.own) return;
    const leaks = await this.leaks();
    await this.own.running.stop();
    await this.own.redis.stop();
    expect(leaks).toEqual([]);
  }

  async request(url: string, init: RequestInit & { token?: string | undefined } = {}): Promise<Answer> {
    const { token, ...rest } = init;
    const headers = new Headers(rest.headers);
    if (token !== undefined) headers.set('authorization', `Bearer ${token}`);
    const response = await fetch(url, { ...rest, headers });
    const text = await response.text();
    this.answers.push(`${[...response.headers].map((header) => header.join(': ')).join('\n')}\n\n${text}`);
    const isJson = /json/.test(response.headers.get('content-type') ?? '');
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: isJson && text !== '' ? JSON.parse(text) : undefined,
    };
  }

  venue(path: string, init: RequestInit & { token?: string | undefined } = {}): Promise<Answer> {
    return this.request(`${this.venueUrl}${path}`, init);
  }

  gateway(path: string, init: RequestInit & { token?: string | undefined } = {}): Promise<Answer> {
    return this.request(`${this.gatewayUrl}${path}`, init);
  }

  tryLogin(credentials: Record<string, unknown>): Promise<Answer> {
    const headers = { 'content-type': 'application/json' };
    return this.gateway('/auth/login', { method: 'POST', headers, body: JSON.stringify(credentials) });
  }

  /** Logs in and returns the access token. */
  async login(user: User): Promise<string> {
    const answer = await this.tryLogin({ ...user });
    expect(answer.status).toBe(200);
    return this.remember(answer.body.access_token as string);
  }

  async refresh(token: string): Promise<string> {
    const answer = await this.gateway('/auth/refresh', { method: 'POST', token });
    expect(answer.status).toBe(200);
    return this.remember(answer.body.access_token as string);
  }

  logout(token: string): Promise<Answer> {
    return this.gateway('/auth/logout', { method: 'POST', token });
  }

  /** Tokens directly from the authorization server, for requests that our clients never make. */
  async tokensFromIssuer(parameters: Record<string, string>): Promise<any> {
    const response = await fetch(`${this.issuer}oauth/token`, {
      method: 'POST',
      body: new URLSearchParams({
        client_id: 'venue-suite',
        client_secret: SECRETS.AUTH0_CLIENT_SECRET,
        grant_type: 'password',
        ...ada,
        ...parameters,
      }),
    });
    const body = (await response.json()) as any;
    expect({ status: response.status, error: body.error }).toEqual({ status: 200, error: undefined });
    return body;
  }

  /** Places with a leaked secret: an answer, a log line or Redis. */
  async leaks(): Promise<string[]> {
    const secrets = [
      ...Object.values(SECRETS),
      ada.password,
      grace.password,
      mallory.password,
      ...this.refreshTokens,
    ];
    const values = await this.own?.redis.dump().catch(() => ({}));
    const stored = Object.entries(values ?? {}).map((entry) => entry.join(' '));
    return [
      ...found('answer', this.answers, secrets),
      ...found('log', this.logs, [...secrets, ...this.accessTokens]),
      ...found('Redis', stored, [...secrets, ...this.accessTokens]),
    ];
  }

  /** Adds a token to the search for leaks. */
  remember(accessToken: string): string {
    this.accessTokens.add(accessToken);
    return accessToken;
  }
}

function found(where: string, texts: readonly string[], secrets: readonly string[]): string[] {
  return secrets.flatMap((secret) =>
    texts
      .filter((text) => text.includes(secret))
      .map((text) => `${secret} in ${where}: ${text.slice(0, 300)}`),
  );
}
