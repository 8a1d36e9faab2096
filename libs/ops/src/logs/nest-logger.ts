import type { LoggerService } from '@nestjs/common';
import type { Logger } from 'pino';

/**
 * Sends Nest's own log lines through our logger. nestjs-pino would add a middleware to every request, which the guarded path
 * cannot afford, and does not support all our Node versions.
 */
export class NestLogger implements LoggerService {
  constructor(private readonly logger: Logger) {}

  log(message: unknown, ...context: unknown[]): void {
    this.write('debug', message, context);
  }

  error(message: unknown, ...context: unknown[]): void {
    this.write('error', message, context);
  }

  warn(message: unknown, ...context: unknown[]): void {
    this.write('warn', message, context);
  }

  debug(message: unknown, ...context: unknown[]): void {
    this.write('trace', message, context);
  }

  verbose(message: unknown, ...context: unknown[]): void {
    this.write('trace', message, context);
  }

  private write(level: 'error' | 'warn' | 'debug' | 'trace', message: unknown, context: unknown[]): void {
    const name = context.at(-1);
    const fields = typeof name === 'string' && !name.includes('\n') ? { context: name } : {};
    if (typeof message === 'string') this.logger[level](fields, message);
    else this.logger[level]({ ...fields, err: message }, 'Nest reported an error');
  }
}
