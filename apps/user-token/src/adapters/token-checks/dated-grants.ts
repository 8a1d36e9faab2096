import { isCanonicalToken } from '@app/contract';
import { AuthorizationServer, type Credentials } from '../../core/authorization-server.js';
import type { FirstSights } from './first-sights.js';
import { formOf } from './token-check-by-form.js';

/** Records the time of the request for each opaque token that the authorization server grants. Nothing else tells its age. */
export class DatedGrants extends AuthorizationServer {
  constructor(
    private readonly authorizationServer: AuthorizationServer,
    private readonly firstSights: Pick<FirstSights, 'ofGranted'>,
    private readonly nowSeconds: () => number,
  ) {
    super();
  }

  override grantPassword(credentials: Credentials) {
    return this.dated(() => this.authorizationServer.grantPassword(credentials));
  }

  override grantRefresh(refreshToken: string) {
    return this.dated(() => this.authorizationServer.grantRefresh(refreshToken));
  }

  override revoke(refreshToken: string): Promise<void> {
    return this.authorizationServer.revoke(refreshToken);
  }

  override userInfo(accessToken: string) {
    return this.authorizationServer.userInfo(accessToken);
  }

  private async dated(ask: () => ReturnType<AuthorizationServer['grantPassword']>) {
    const askedAtSeconds = this.nowSeconds();
    const grant = await ask();
    if (grant.granted && isCanonicalToken(grant.accessToken) && formOf(grant.accessToken) === 'opaque')
      await this.firstSights.ofGranted(grant.accessToken, askedAtSeconds);
    return grant;
  }
}
