import { Logger } from '@nestjs/common';
import type { Principal } from '@app/user-token-client';
import { resolveAuthOptions } from './auth.options.js';

describe('the log of refusals, where no other is given', () => {
  const { refusalLog } = resolveAuthOptions({
    audience: 'https://api.test/',
    userToken: { urls: 'tcp://127.0.0.1:1' },
  });

  afterEach(() => Logger.overrideLogger(true));

  it('makes no line that the logger of Nest would not show', () => {
    const token = {
      get issuer(): string {
        throw new Error('a line was made');
      },
    } as Principal;
    Logger.overrideLogger(['error']);
    refusalLog.refused('expired', undefined);
    refusalLog.refused('expired', token);
    Logger.overrideLogger(['error', 'debug']);
    expect(() => refusalLog.refused('expired', token)).toThrow('a line was made');
  });
});
