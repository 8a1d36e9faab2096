export { isLoopback, parseReplicaAddresses, type ReplicaAddress } from './address.js';
export {
  isB64Token,
  isCanonicalSpelling,
  isCanonicalToken,
  isJwt,
  MAX_TOKEN_LENGTH,
} from './canonical-token.js';
export {
  endSessionRequestSchema,
  failureSchema,
  inactiveReasonSchema,
  issuedTokenRequestSchema,
  loginRequestSchema,
  MAX_DENIAL_DESCRIPTION_LENGTH,
  MAX_PASSWORD_BYTES,
  MAX_REQUEST_ID_LENGTH,
  MAX_USER_AGENT_LENGTH,
  MAX_USERNAME_BYTES,
  patterns,
  refreshGrantRequestSchema,
  refreshRequestSchema,
  revokeSubjectRequestSchema,
  sessionRequestSchema,
  tokenHash,
  verifyRequestsSchema,
  type EndSessionRequest,
  type EndSessionResult,
  type Failure,
  type GrantRefusal,
  type GrantResult,
  type GrantedToken,
  type InactiveReason,
  type IssuedTokenRequest,
  type ListedSession,
  type ListSessionsResult,
  type LoginRequest,
  type LogoutResult,
  type Pong,
  type RefreshGrantRequest,
  type RefreshRequest,
  type RefreshTokenInspection,
  type RevokeSubjectRequest,
  type RevokeTokenResult,
  type SessionRefusal,
  type SessionRequest,
  type Verdict,
  type VerifyAnswer,
  type VerifyReply,
  type VerifyRequest,
  type VerifyRequests,
} from './contract.js';
export { claimedSubject } from './claimed-subject.js';
export { parseEpochMessage, subjectKey, type EpochMessage } from './epoch.js';
export { FrameSocket, type FrameOptions } from './frame-socket.js';
export {
  issuedTokenKind,
  issuedTokenSubjectKey,
  newIssuedToken,
  type IssuedTokenKind,
} from './issued-token.js';
export { MeasuredClock, type ClockReading, type OwnClocks } from './measured-clock.js';
export { bounded, type Bounds } from './option-bounds.js';
export { MAX_SUBJECT_LENGTH, principalSchema, subjectSchema, type Principal } from './principal.js';
export {
  admissionKey,
  attemptsKey,
  CLIENTS_KEY,
  credentialId,
  DENIAL_PREFIX,
  EPOCH_CHANNEL,
  epochKey,
  epochKeyOf,
  firstSightKey,
  former,
  FORMER_NAMES,
  GENERATION_KEY,
  heldAttemptsKey,
  isFormerCredentialId,
  issuedTokenKey,
  principalKey,
  sessionEntryKey,
  sessionKey,
  sessionListKey,
  sessionLockKey,
  subjectDenialKey,
  tokenDenialKey,
  UNKNOWN_TOKENS_KEY,
  userinfoKey,
  userinfoLockKey,
} from './redis-names.js';
export { isScope, isScopeToken } from './scope.js';
export { RefusalLog, type RefusalLines } from './refusal-log.js';
export { type TlsMaterial } from './replica.js';
export { explainTlsFailure } from './tls-failure.js';
export { tokenFacts, type TokenFacts } from './token-facts.js';
export { UserTokenClient, type UserTokenClientOptions } from './user-token-client.js';
export { UserTokenUnavailable, type UnavailableCode } from './user-token-unavailable.js';
export {
  firstSightsSinceSeconds,
  formatGeneration,
  isGenerationOf,
  parseGeneration,
  type StoreGeneration,
} from './store-generation.js';
