import { createLogger } from '@app/ops';
import { openStore, StoreUnavailable, type SharedStore } from '@app/store';
import { credentialId, sessionKey, sessionLockKey, type GrantedToken, type GrantResult } from '@app/contract';
import { readUserTokenConfig } from '../../../apps/user-token/src/config.js';
import { compose, type Ports, type UserToken } from '../../../apps/user-token/src/compose.js';
import type { Clock } from '../../../apps/user-token/src/core/clock.js';
import type {
  AskingClient,
  TokenIssuances,
} from '../../../apps/user-token/src/core/tokens/token-issuance.js';
import type { IssuedTokens } from '../../../apps/user-token/src/core/tokens/issued-tokens.js';
import type { LogIn } from '../../../apps/user-token/src/core/log-in/log-in.js';
import type { LogOut } from '../../../apps/user-token/src/core/sessions/log-out.js';
import type { RefreshSession } from '../../../apps/user-token/src/core/sessions/refresh-session.js';
import type { RevokeSubject } from '../../../apps/user-token/src/core/sessions/revoke-subject.js';
import type { UserSessions } from '../../../apps/user-token/src/core/sessions/user-sessions.js';
import type { VerifyToken } from '../../../apps/user-token/src/core/tokens/verify-token.js';
import { ScriptedIssuer } from '../issuer/scripted-issuer.js';
import { giveGeneration } from '../redis/store-generation.js';

export interface UseCasesOptions {
  /** Default: one of its own, in this process. */
  readonly store?: SharedStore;
  readonly clock?: Clock;
  readonly settings?: Readonly<Record<string, string>>;
  /** In place of adapters. */
  readonly ports?: Partial<Ports>;
}

/** user-token's use cases as they are composed, on a store in this process and an issuer over HTTP, without the TCP edge. */
export class UseCases {
  readonly issuances: TokenIssuances;
  readonly logIn: LogIn;
  readonly refreshSession: RefreshSession;
  readonly logOut: LogOut;
  readonly revokeSubject: RevokeSubject;
  readonly userSessions: UserSessions;
  readonly issuedTokens: IssuedTokens;
  readonly verifyToken: VerifyToken;

  private constructor(
    readonly store: SharedStore,
    readonly logs: string[],
    private readonly userToken: UserToken,
  ) {
    const { useCases } = userToken;
    this.issuances = useCases.issuances;
    this.logIn = useCases.logIn;
    this.refreshSession = useCases.refreshSession;
    this.logOut = useCases.logOut;
    this.revokeSubject = useCases.revokeSubject;
    this.userSessions = useCases.userSessions;
    this.issuedTokens = useCases.issuedTokens;
    this.verifyToken = useCases.verifyToken;
  }

  static async open(
    issuer: ScriptedIssuer,
    { store: shared, clock, settings = {}, ports }: UseCasesOptions = {},
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
    const userToken = compose({ config, store, logger, clock }, ports);
    await userToken.settled();
    return new UseCases(store, logs, userToken);
  }

  close(): Promise<void> {
    return this.userToken.close();
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
