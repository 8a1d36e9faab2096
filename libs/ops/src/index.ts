export { NO_ACCESS_LOG, NoAccessLog, type AccessLogMode } from './access-log.js';
export { ClockWatch } from './clock-watch.js';
export { corsOriginsSetting } from './cors.js';
export { DependencyWatch, type Fault, type Findings } from './dependency-watch.js';
export { type ErrorWording, type WordedError } from './early-refusals.js';
export { plainAddress } from './forwarded-for.js';
export {
  createHttpApplication,
  type ArrivalLimits,
  type HttpApplicationOptions,
} from './http-application.js';
export { degradedAtMost, type CheckResult, type Checks } from './health.module.js';
export {
  ensureServiceListenable,
  startHttpService,
  type ListenerSettings,
  type RunningHttpService,
} from './http-service.js';
export { InFlight } from './in-flight.js';
export { FormBody, InputPipe } from './input.pipe.js';
export { LineLimit, type LineLimitOptions } from './line-limit.js';
export { authorityOf, ensureListenable, listenOrExplain, type Listening } from './listen.js';
export { createLogger, type LoggerOptions } from './logger.js';
export { NestLogger } from './nest-logger.js';
export { startOps, type OpsListener, type OpsOptions } from './ops.listener.js';
export { ProblemFilter, statusOf, type ProblemDetails } from './problem.filter.js';
export { PUBLISHED_SECRETS } from './published-secrets.js';
export { currentRequestId, runWithRequestId } from './request-context.js';
export { RenewedTls } from './renewed-tls.js';
export { RequestFailures } from './request-failures.js';
export { STOP_TIMEOUT_MS, type RunningService } from './run-service.js';
export { type Environment } from './setting-value.js';
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
} from './settings.js';
export { StartError } from './start-error.js';
export { tlsMaterialOf, tlsProblems, tlsSettings, type TlsMaterial } from './tls-material.js';
export { type Logger } from 'pino';
