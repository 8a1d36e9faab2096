import { setTimeout as delay } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import type { z } from 'zod';
import { parseReplicaAddresses } from '@app/wire';
import {
  operations,
  resultSchemaOf,
  type CanonicalToken,
  type OperationName,
  type RequestOf,
  type ResultOf,
} from '@app/contract';
import { MeasuredClock } from './measured-clock.js';
import { bounded, type Bounds } from './option-bounds.js';
import { Replica, type ReplicaEvents, type TlsSource } from './replica.js';
import { UserTokenUnavailable } from './user-token-unavailable.js';

export interface UserTokenClientOptions {
  /** `tcp://host:port` or `tls+tcp://host:port`, comma-separated for several replicas. */
  readonly urls: string;
  /** Required for `tls+tcp:` addresses; a function is called for each connection. */
  readonly tls?: TlsSource | undefined;
  /**
   * Deadline of a verification, retry included. Default 6,500 (6.5 s): a cold one may wait for the authorization server, by default
   * for 5 s. A silent process is given up much earlier. From 1 to 600,000 (10 minutes).
   */
  readonly verifyTimeoutMs?: number | undefined;
  /** Deadline of log-in, refresh and log-out, which wait for Auth0. Default 10,000 (10 s). From 1 to 600,000 (10 minutes). */
  readonly sessionTimeoutMs?: number | undefined;
}

/** A question about a token, which is canonical: any other text is refused without asking. */
export type Verification = RequestOf<'verify'> & { readonly accessToken: CanonicalToken };

/** A method for each operation. */
type Operations = {
  [Name in OperationName]: (
    request: Name extends 'verify' ? Verification : RequestOf<Name>,
  ) => Promise<ResultOf<Name>>;
};

/** The user-token processes that answer. */
export interface RollCall {
  readonly answered: number;
  /** Why the others did not. */
  readonly failures: readonly UserTokenUnavailable[];
}

const TIMEOUT: Bounds = { min: 1, max: 600_000, unit: 'milliseconds' };
const ROLL_CALL_TIMEOUT_MS = 2_000;
/** How long a failed replica is skipped, while there is another one, before it is pinged. */
const COOL_DOWN_MS = 1_000;
/** With less time left a call is not repeated: it could only fail again, at a healthy replica. */
const WORTH_A_REPEAT_MS = 100;
const TELL_EVERY_MS = 60_000;

/**
 * The one client of user-token. Each call has a deadline, goes to the replicas in turn, and either resolves with a
 * value of the contract or rejects with {@link UserTokenUnavailable}; there is no third outcome.
 *
 * A call that never left this process, or is `repeatable` ({@link operations}), is tried once more, on another replica where there
 * is one.
 */
export class UserTokenClient implements Operations {
  /** The time of user-token's clock, measured by each of its replies. */
  readonly clock = new MeasuredClock();
  private readonly logger = new Logger(UserTokenClient.name);
  private readonly toldAtMs = new Map<string, number>();
  private readonly replicas: readonly Replica[];
  private readonly passedOver = new Map<Replica, { silent: boolean }>();
  private readonly closed = new AbortController();
  private readonly timeLimitsMs: { readonly verify: number; readonly session: number };
  private turn = 0;

  /** @throws {TypeError} when `urls` is malformed or asks for TLS without `tls`, or a deadline is out of its bounds */
  constructor(options: UserTokenClientOptions) {
    const { verifyTimeoutMs = 6_500, sessionTimeoutMs = 10_000 } = options;
    this.timeLimitsMs = {
      verify: bounded('verifyTimeoutMs', verifyTimeoutMs, TIMEOUT),
      session: bounded('sessionTimeoutMs', sessionTimeoutMs, TIMEOUT),
    };
    const addresses = parseReplicaAddresses(options.urls);
    if (addresses.some((address) => address.tls) && !options.tls) {
      throw new TypeError('tls+tcp:// needs the certificate authority, certificate and key of this service');
    }
    this.replicas = addresses.map((address): Replica => {
      const events: ReplicaEvents = {
        suspected: () => this.lookBehind(replica),
        clockRead: (reading) => this.clock.read(replica, reading),
        connectionLost: () => this.clock.forget(replica),
        mixedUp: () => this.tell(replica, 'answered about another token than it was asked about'),
        tlsFailed: (reason) => this.tell(replica, `cannot be reached: ${reason}`),
      };
      const tls = address.tls ? options.tls : undefined;
      const replica = new Replica(address, tls, events, addresses.length === 1);
      return replica;
    });
  }

  /** Connects to all replicas, so that obstacles are in the log before a call has to wait for them. */
  connect(): void {
    for (const replica of this.replicas) void replica.isFrozen();
  }

  /** Whether a token is active, and its principal. */
  async verify(request: Verification): Promise<ResultOf<'verify'>> {
    // It goes out together with other questions, which must not suffer from it.
    const { success, data } = operations.verify.request.safeParse(request);
    if (!success)
      throw new UserTokenUnavailable('invalid_payload', 'not a token that could be asked about', {
        sent: false,
      });
    return this.ask('verify', (replica, timeoutMs) => replica.verify(data, timeoutMs));
  }

  /** Password grant. */
  login(request: RequestOf<'login'>): Promise<ResultOf<'login'>> {
    return this.call('login', request);
  }

  /** A new access token for an old one, expired or not. */
  refresh(request: RequestOf<'refresh'>): Promise<ResultOf<'refresh'>> {
    return this.call('refresh', request);
  }

  /** Ends the session of this token: refused everywhere from now on, refresh token revoked upstream. */
  logout(request: RequestOf<'logout'>): Promise<ResultOf<'logout'>> {
    return this.call('logout', request);
  }

  /** Ends every session of the token's user, and every access token issued to this user so far. */
  logoutAll(request: RequestOf<'logoutAll'>): Promise<ResultOf<'logoutAll'>> {
    return this.call('logoutAll', request);
  }

  /** The sessions of the token's user. */
  listSessions(request: RequestOf<'listSessions'>): Promise<ResultOf<'listSessions'>> {
    return this.call('listSessions', request);
  }

  /** Ends one of them. */
  endSession(request: RequestOf<'endSession'>): Promise<ResultOf<'endSession'>> {
    return this.call('endSession', request);
  }

  /** A new pair for the refresh token of a registered client. */
  refreshGrant(request: RequestOf<'refreshGrant'>): Promise<ResultOf<'refreshGrant'>> {
    return this.call('refreshGrant', request);
  }

  /** RFC 7009, for tokens of registered clients. */
  revokeToken(request: RequestOf<'revokeToken'>): Promise<ResultOf<'revokeToken'>> {
    return this.call('revokeToken', request);
  }

  /** RFC 7662 for a refresh token, asked by its own client. */
  inspectRefreshToken(request: RequestOf<'inspectRefreshToken'>): Promise<ResultOf<'inspectRefreshToken'>> {
    return this.call('inspectRefreshToken', request);
  }

  /** As {@link logoutAll}, for a user named by subject: after blocking, deletion, or a changed password. */
  revokeSubject(request: RequestOf<'revokeSubject'>): Promise<ResultOf<'revokeSubject'>> {
    return this.call('revokeSubject', request);
  }

  /** Pings every replica, for readiness only; calls do not depend on it. */
  async rollCall(timeoutMs = ROLL_CALL_TIMEOUT_MS): Promise<RollCall> {
    const calls = this.replicas.map((replica) => replica.signOfLife(timeoutMs));
    const failures = (await Promise.allSettled(calls)).flatMap((call) =>
      call.status === 'rejected' ? [asUnavailable(call.reason)] : [],
    );
    return { answered: calls.length - failures.length, failures };
  }

  close(): void {
    this.closed.abort();
    for (const replica of this.replicas) replica.close();
  }

  private call<Name extends OperationName>(name: Name, request: RequestOf<Name>): Promise<ResultOf<Name>> {
    const { pattern, repeatable } = operations[name];
    return this.ask(name, (replica, timeoutMs) => replica.call(pattern, request, timeoutMs, repeatable));
  }

  private async ask<Name extends OperationName>(
    name: Name,
    question: (replica: Replica, timeoutMs: number) => Promise<unknown>,
  ): Promise<ResultOf<Name>> {
    const { repeatable, timeLimit } = operations[name];
    const schema = resultSchemaOf(name);
    const timeoutMs = this.timeLimitsMs[timeLimit];
    const deadlineMs = performance.now() + timeoutMs;
    const first = this.nextReplica();
    try {
      return accept(schema, await question(first, timeoutMs));
    } catch (error) {
      const failed = this.failureOf(first, error);
      const mayRepeat = isLost(failed) && (repeatable || !failed.sent);
      // A silent process will not answer the second time either; only another one is worth a try.
      const worthIt =
        deadlineMs - performance.now() >= WORTH_A_REPEAT_MS && (!failed.silent || this.hasOther(first));
      if (!mayRepeat || !worthIt || this.closed.signal.aborted) throw failed;
    }
    const second = this.nextReplica();
    try {
      return accept(schema, await question(second, deadlineMs - performance.now()));
    } catch (error) {
      throw this.failureOf(second, error);
    }
  }

  private failureOf(replica: Replica, error: unknown): UserTokenUnavailable {
    const failed = asUnavailable(error);
    if (isLost(failed)) void this.passOver(replica, failed.silent);
    return failed;
  }

  private tell({ address: { host, port } }: Replica, fault: string): void {
    const text = `user-token at ${host}:${port} ${fault}`;
    const nowMs = performance.now();
    if (nowMs - (this.toldAtMs.get(text) ?? -Infinity) < TELL_EVERY_MS) return;
    this.toldAtMs.set(text, nowMs);
    this.logger.error(text);
  }

  /** Pings until an answer comes: a call must not be the way to detect that the replica is still frozen. */
  private async passOver(replica: Replica, silent: boolean): Promise<void> {
    const known = this.passedOver.get(replica);
    if (known) {
      known.silent ||= silent;
      return;
    }
    this.passedOver.set(replica, { silent });
    const { signal } = this.closed;
    try {
      await delay(COOL_DOWN_MS, undefined, { ref: false, signal });
      while (await replica.isFrozen()) {
        replica.disconnect();
        await delay(COOL_DOWN_MS, undefined, { ref: false, signal });
      }
    } catch {
      // Closed.
    }
    this.passedOver.delete(replica);
  }

  /**
   * While one replica keeps its callers waiting, the others are pinged too: a call that moves on must not meet the next frozen
   * replica.
   */
  private lookBehind(suspect: Replica): void {
    for (const other of this.replicas) {
      if (other === suspect) continue;
      void other.isFrozen().then((frozen) => {
        if (frozen) void this.passOver(other, true);
      });
    }
  }

  private hasOther(replica: Replica): boolean {
    return this.notSilent().some((other) => other !== replica);
  }

  private notSilent(): readonly Replica[] {
    return this.replicas.filter((replica) => !this.passedOver.get(replica)?.silent);
  }

  /** A healthy one, or else one that failed without silence, or else any. */
  private nextReplica(): Replica {
    const well = this.replicas.filter((replica) => !this.passedOver.has(replica));
    const candidates = [well, this.notSilent()].find(({ length }) => length > 0) ?? this.replicas;
    this.turn = (this.turn + 1) % Number.MAX_SAFE_INTEGER;
    return candidates[this.turn % candidates.length]!;
  }
}

/** The connection or the process is at fault, not the question; a process that is only slow is not at fault. */
function isLost({ code, silent }: UserTokenUnavailable): boolean {
  return silent || code === 'unreachable' || code === 'draining';
}

function asUnavailable(error: unknown): UserTokenUnavailable {
  if (error instanceof UserTokenUnavailable) return error;
  throw error;
}

function accept<T>(schema: z.ZodType<T>, reply: unknown): T {
  const parsed = schema.safeParse(reply);
  if (parsed.success) return parsed.data;
  const where = parsed.error.issues.map((issue) => issue.path.join('.')).join(', ');
  throw new UserTokenUnavailable(
    'protocol',
    `user-token's reply is not of the contract at: ${where || 'the whole reply'}`,
  );
}
