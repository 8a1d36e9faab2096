import type { Verdict } from '@app/contract';

/** Asked about a token that no cache knows. */
export abstract class TokenVerifier {
  /**
   * @param accessToken canonical spelling, at most 8 KiB
   * @returns the verdict; a refusal is a value
   * @throws {UserTokenUnavailable} when no verdict was reached
   */
  abstract verify(accessToken: string, context: { requestId?: string | undefined }): Promise<Verdict>;
}
