import { NestFactory } from '@nestjs/core';
import { createLogger, InFlight } from '@app/ops';
import { openStore, StoreUnavailable, type SharedStore } from '@app/store';
import { credentialId, sessionKey, sessionLockKey, type GrantedToken, type GrantResult } from '@app/contract';
import { readUserTokenConfig } from '../../../apps/user-token/src/config.js';
import type { StoreDenials } from '../../../apps/user-token/src/adapters/denials/store-denials.js';
import type { Clock } from '../../../apps/user-token/src/core/clock.js';
import { Denials } from '../../../apps/user-token/src/core/denials.js';
import { TokenIssuances, type AskingClient } from '../../../apps/user-token/src/core/token-issuance.js';
import { IssuedTokens } from '../../../apps/user-token/src/core/issued-tokens.js';
import { LogIn } from '../../../apps/user-token/src/core/log-in.js';
import { LogOut } from '../../../apps/user-token/src/core/log-out.js';
import { RefreshSession } from '../../../apps/user-token/src/core/refresh-session.js';
import { RevokeSubject } from '../../../apps/user-token/src/core/revoke-subject.js';
import { UserSessions } from '../../../apps/user-token/src/core/user-sessions.js';
import { VerifyToken } from '../../../apps/user-token/src/core/verify-token.js';
import { UserTokenModule } from '../../../apps/user-token/src/user-token.module.js';
import { ScriptedIssuer } from '../issuer/scripted-issuer.js';
import { giveGeneration } from '../redis/store-generation.js';

export interface UseCasesOptions {
  /** Default: one of its own, in this process. */
  readonly store?: SharedStore;
  readonly clock?: Clock;
  readonly settings?: Readonly<Record<string, string>>;
}

/** user-token's use cases as its module wires them, on a store in this process and an issuer over HTTP, without its TCP edge. */
export class UseCases {
  private constructor(
    readonly store: SharedStore,
    readonly logs: string[],
    readonly issuances: TokenIssuances,
    readonly logIn: LogIn,
    readonly refreshSession: RefreshSession,
    readonly logOut: LogOut,
    readonly revokeSubject: RevokeSubject,
    readonly userSessions: UserSessions,
    readonly issuedTokens: IssuedTokens,
    readonly verifyToken: VerifyToken,
    readonly close: () => Promise<void>,
  ) {}

  static async open(
    issuer: ScriptedIssuer,
    { store: shared, clock, settings = {} }: UseCasesOptions = {},
  ): Promise<UseCases> {
    const store = shared ?? openStore('memory:');
    // Nothing was revoked in it before.
    if (!shared) await giveGeneration(store);
    const config = readUserTokenConfig({
      ENVIRONMENT: 'local',
      AUTH0_ISSUER_URL: issuer.issuer,
      LOGIN_ATTEMPTS_PER_ACCOUNT: '1000',
      ...settings,
    });
    const logs: string[] = [];
    const destination = { write: (line: string) => void logs.push(line) };
    const logger = createLogger({ service: 'user-token', environment: 'local', level: 'trace', destination });
    const dependencies = { store, logger, inFlight: new InFlight(), ...(clock && { clock }) };
    const app = await NestFactory.createApplicationContext(UserTokenModule.forRoot(config, dependencies), {
      logger: false,
    });
    await app.get<StoreDenials>(Denials).settled;
    return new UseCases(
      store,
      logs,
      app.get(TokenIssuances),
      app.get(LogIn),
      app.get(RefreshSession),
      app.get(LogOut),
      app.get(RevokeSubject),
      app.get(UserSessions),
      app.get(IssuedTokens),
      app.get(VerifyToken),
      () => app.close(),
    );
  }

  tryLogIn(client?: AskingClient): Promise<GrantResult> {
    return this.logIn.execute({ username: 'ada', password: 'x' }, this.issuances.of(client), {});
  }

  async loggedIn(client?: AskingClient): Promise<GrantedToken> {
    return granted(await this.tryLogIn(client));
  }

  tryRefresh(credential: string, client?: AskingClient): Promise<GrantResult> {
    return this.refreshSession.execute(credential, this.issuances.of(client), {});
  }

  async refreshed(credential: string, client?: AskingClient): Promise<GrantedToken> {
    return granted(await this.tryRefresh(credential, client));
  }

  async isActive(accessToken: string): Promise<boolean> {
    return (await this.verifyToken.execute(accessToken)).active;
  }

  /** What happens to a lock that was held for too long. */
  dropLock(credential: string): Promise<void> {
    return this.store.delete(sessionLockKey(credentialId(credential)));
  }

  /** The store refuses writes from now on, but for single values: all, or those of these ordinals. @returns how to make room */
  fillStore(refuses: (ordinal: number) => boolean = () => true): () => void {
    const { store } = this;
    const writeAll = store.writeAll.bind(store);
    const writeAllIfEqual = store.writeAllIfEqual.bind(store);
    let writes = 0;
    const orRefuse = <T>(write: () => Promise<T>) =>
      refuses((writes += 1)) ? Promise.reject(new StoreUnavailable('full')) : write();
    store.writeAll = (...call) => orRefuse(() => writeAll(...call));
    store.writeAllIfEqual = (...call) => orRefuse(() => writeAllIfEqual(...call));
    return () => void Object.assign(store, { writeAll, writeAllIfEqual });
  }

  /** What a Redis does that loses a value. */
  forget(credential: string): Promise<void> {
    return this.store.delete(sessionKey(credentialId(credential)));
  }
}

function granted(result: GrantResult): GrantedToken {
  if (!result.granted) throw new Error(`not granted: ${result.error}`);
  return result.token;
}
