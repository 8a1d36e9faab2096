import { issuedTokenKind, type Principal, type SessionRefusal } from '@app/contract';
import { Sessions } from './sessions.js';
import { VerifyToken } from '../tokens/verify-token.js';

export interface SessionAccessOptions {
  /** Our own client at the authorization server. */
  readonly clientId: string;
  /** API identifiers of our services. */
  readonly audience: readonly string[];
}

/**
 * Which tokens may see and end all sessions of their user: those of our own front ends. Another client of the same tenant may hold a
 * token of the same user for its own purposes; the sessions here are not its business.
 */
export class SessionAccess {
  constructor(
    private readonly verifyToken: VerifyToken,
    private readonly sessions: Sessions,
    private readonly options: SessionAccessOptions,
  ) {}

  /** @throws {UpstreamUnavailable | Busy | StoreUnavailable | DenialsUnknown} */
  async of(
    accessToken: string,
  ): Promise<
    | { readonly permitted: true; readonly subject: string }
    | { readonly permitted: false; readonly reason: SessionRefusal }
  > {
    const verdict = await this.verifyToken.execute(accessToken);
    if (!verdict.active) return { permitted: false, reason: verdict.reason };
    const isOwn =
      issuedTokenKind(accessToken) === undefined &&
      (this.isForUs(verdict.principal) || (await this.sessions.ownerOf(accessToken)) !== undefined);
    return isOwn
      ? { permitted: true, subject: verdict.principal.subject }
      : { permitted: false, reason: 'not_permitted' };
  }

  private isForUs({ clientId, audience }: Principal): boolean {
    return clientId === this.options.clientId && audience.some((api) => this.options.audience.includes(api));
  }
}
