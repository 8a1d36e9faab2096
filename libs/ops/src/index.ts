export { NO_ACCESS_LOG, NoAccessLog, type AccessLogMode } from './logs/access-log.js';
export { ClockWatch } from './health/clock-watch.js';
export { corsOriginsSetting } from './http/cors.js';
export { DependencyWatch, type Fault, type Findings } from './health/dependency-watch.js';
export { type ErrorWording, type WordedError } from './http/early-refusals.js';
export { plainAddress } from './http/forwarded-for.js';
export {
  createHttpApplication,
  type ArrivalLimits,
  type HttpApplicationOptions,
} from './http/http-application.js';
export { degradedAtMost, type CheckResult, type Checks } from './health/health.module.js';
export {
  ensureServiceListenable,
  startHttpService,
  type ListenerSettings,
  type RunningHttpService,
} from './http/http-service.js';
export { InFlight } from './in-flight.js';
export { FormBody, InputPipe } from './http/input.pipe.js';
export { LineLimit, type LineLimitOptions } from './logs/line-limit.js';
export { authorityOf, ensureListenable, listenOrExplain, type Listening } from './http/listen.js';
export { createLogger, type LoggerOptions } from './logs/logger.js';
export { NestLogger } from './logs/nest-logger.js';
export { startOps, type OpsListener, type OpsOptions } from './health/ops.listener.js';
export { ProblemFilter, statusOf, type ProblemDetails } from './http/problem.filter.js';
export { PUBLISHED_SECRETS } from './settings/published-secrets.js';
export { currentRequestId, isRequestId, runWithRequestId } from './http/request-context.js';
export { RenewedTls } from './tls/renewed-tls.js';
export { RequestFailures } from './http/request-failures.js';
export { STOP_TIMEOUT_MS, type RunningService } from './run-service.js';
export { type Environment } from './settings/setting-value.js';
export {
  accessLogSetting,
  defineSettings,
  environmentSetting,
  host,
  issuerUrl,
  list,
  logLevelSetting,
  port,
  readSettings,
  scope,
  secret,
  secretList,
  serviceSettings,
  SettingsError,
  text,
  visibleAscii,
  warnOfUnread,
  wholeNumber,
  type LogLevel,
  type Setting,
  type Settings,
  type SettingsDefinition,
} from './settings/settings.js';
export { StartError } from './settings/start-error.js';
export type { TlsMaterial, TlsParts } from './tls/tls-material.js';
export { TlsSettings } from './tls/tls-settings.js';
export { type Logger } from 'pino';
