import { createLogger, runWithRequestId } from '../index.js';

describe('a log line', () => {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  const logger = createLogger({ service: 'test', environment: 'prod', level: 'info', destination });
  const logged = (): any => JSON.parse(lines.at(-1)!);

  it.each(['password', 'access_token', 'refreshToken', 'authorization', 'client_secret'])(
    'holds no %s, down to the third level',
    (field) => {
      const secret = { [field]: 'canary' };
      logger.info({ ...secret, a: secret, b: { c: secret } }, 'x');
      expect(lines.at(-1)).not.toContain('canary');
    },
  );

  it('describes an error and its cause, and nothing attached to them', () => {
    const cause = Object.assign(new Error('refused'), { code: 'ECONNREFUSED', config: { key: 'canary' } });
    logger.error({ err: Object.assign(new Error('failed', { cause }), { response: 'canary' }) }, 'x');
    expect(logged().err).toMatchObject({
      message: 'failed',
      cause: { message: 'refused', code: 'ECONNREFUSED' },
    });
    expect(lines.at(-1)).not.toContain('canary');
  });

  it('tells a time-out by its name', async () => {
    const signal = AbortSignal.timeout(1);
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    logger.error({ err: new Error('failed', { cause: signal.reason }) }, 'x');
    expect(logged().err.cause).toMatchObject({
      type: 'TimeoutError',
      message: expect.stringContaining('timeout'),
    });
  });

  it('carries the request id of its context', () => {
    runWithRequestId('request-7', () => logger.info('x'));
    expect(logged().requestId).toBe('request-7');
  });
});
