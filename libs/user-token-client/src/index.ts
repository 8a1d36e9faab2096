export { isLoopback, parseReplicaAddresses, type ReplicaAddress } from './address.js';
export { isCanonicalToken, isJwt, MAX_TOKEN_LENGTH } from './canonical-token.js';
export {
  failureSchema,
  inactiveReasonSchema,
  loginRequestSchema,
  patterns,
  revokeSubjectRequestSchema,
  sessionRequestSchema,
  verifyRequestSchema,
  type Failure,
  type GrantRefusal,
  type GrantResult,
  type GrantedToken,
  type InactiveReason,
  type LoginRequest,
  type LogoutResult,
  type RevokeSubjectRequest,
  type SessionRequest,
  type Verdict,
  type VerifyRequest,
} from './contract.js';
export { EPOCH_CHANNEL, epochKey, parseEpochMessage, subjectKey, type EpochMessage } from './epoch.js';
export { principalSchema, type Principal } from './principal.js';
export { type TlsMaterial } from './replica.js';
export { UserTokenClient, type UserTokenClientOptions } from './user-token-client.js';
export { UserTokenUnavailable, type UnavailableCode } from './user-token-unavailable.js';
