export { type CanonicalToken, isB64Token, isCanonicalToken, isJwt } from './tokens/canonical-token.js';
export { claimedSubject } from './tokens/claimed-subject.js';
export {
  IDLE_TIMEOUT_MS,
  KEEP_ALIVE_MS,
  MAX_CALL_ID_LENGTH,
  MAX_DENIAL_DESCRIPTION_LENGTH,
  MAX_ENVELOPE_LENGTH,
  MAX_MESSAGE_LENGTH,
  MAX_PATTERN_LENGTH,
  MAX_PASSWORD_BYTES,
  MAX_REPLY_LENGTH,
  MAX_REQUEST_ID_LENGTH,
  MAX_SUBJECT_LENGTH,
  MAX_TOKEN_LENGTH,
  MAX_UNREAD_BYTES,
  MAX_USER_AGENT_LENGTH,
  MAX_USERNAME_BYTES,
  MAX_VERDICTS_TOGETHER,
  MAX_VERIFICATIONS,
  SEND_WINDOW_LENGTH,
} from './limits.js';
export { type Failure, failureOnWire, type FailureOnWire, failureSchema } from './operations/failure.js';
export {
  type GrantedToken,
  type GrantRefusal,
  type GrantResult,
  type RefreshTokenInspection,
  type RevokeTokenResult,
} from './operations/grant.js';
export {
  type MessageName,
  messages,
  type OperationName,
  operations,
  type RequestOf,
  type ResultOf,
  resultSchemaOf,
} from './operations/operations.js';
export {
  type EndSessionResult,
  type ListedSession,
  type ListSessionsResult,
  type LogoutResult,
  type SessionRefusal,
} from './operations/session.js';
export {
  type InactiveReason,
  inactiveReasonSchema,
  type Pong,
  type UnnamedAnswers,
  type Verdict,
  type VerifyAnswer,
  type VerifyBatch,
  type VerifyReply,
  verifyReplySchema,
} from './operations/verdict.js';
export { type EpochMessage, epochMessageSchema, parseEpochMessage } from './redis/epoch.js';
export {
  type IssuedTokenKind,
  issuedTokenKind,
  issuedTokenSubjectKey,
  newIssuedToken,
} from './tokens/issued-token.js';
export { type Principal, principalSchema } from './tokens/principal.js';
export {
  admissionKey,
  attemptsKey,
  CLIENTS_KEY,
  credentialId,
  DENIAL_JOURNAL_KEY,
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
} from './redis/redis-names.js';
export { type RefusalFields, type RefusalLines, RefusalLog } from './tokens/refusal-log.js';
export { isScope, isScopeToken } from './tokens/scope.js';
export {
  firstSightsSinceSeconds,
  formatGeneration,
  isGenerationOf,
  parseGeneration,
  type StoreGeneration,
} from './redis/store-generation.js';
export { subjectKey, subjectSchema } from './tokens/subject.js';
export { tokenHash } from './tokens/token-hash.js';
export { type TokenFacts, tokenFacts } from './tokens/token-facts.js';
