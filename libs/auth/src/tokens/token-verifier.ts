import type { CanonicalToken, Verdict } from '@app/contract';

/** Asked about a token that no cache knows. */
export abstract class TokenVerifier {
  /**
   * @returns the verdict; a refusal is a value
   * @throws {UserTokenUnavailable} when no verdict was reached
   */
  abstract verify(accessToken: CanonicalToken, context: { requestId?: string | undefined }): Promise<Verdict>;
}
