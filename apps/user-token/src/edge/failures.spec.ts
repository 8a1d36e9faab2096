import { RpcException } from '@nestjs/microservices';
import { StoreUnavailable } from '@app/store';
import { failureSchema, type Failure } from '@app/contract';
import { UpstreamUnavailable } from '../core/authorization-server.js';
import { Busy } from '../core/busy.js';
import { DenialsUnknown } from '../core/tokens/denials.js';
import { Failures } from './failures.js';

describe('the failure that stands for an exception', () => {
  const lines: object[] = [];
  const tell = (fields: object) => void lines.push(fields);
  const failures = () => new Failures({ debug: tell, info: tell, warn: tell, error: tell });
  const told: Failure = { code: 'draining', message: 'stops', retryAfterSeconds: 2 };

  it.each<[string, unknown, object]>([
    [
      'has the code of the authorization server, and its time to wait',
      new UpstreamUnavailable('canary', 7),
      { code: 'upstream_unavailable', retryAfterSeconds: 7 },
    ],
    ['has the code of the store', new StoreUnavailable('Redis is away'), { code: 'store_unavailable' }],
    ['has the code of the denials', new DenialsUnknown(), { code: 'denials_unknown' }],
    ['is the one that a handler has made', new RpcException(told), told],
    ['is internal for what is not foreseen', new TypeError('canary'), { code: 'internal' }],
    ['is internal for another exception of Nest', new RpcException('canary'), { code: 'internal' }],
    [
      'is internal for a stranger that has such a code',
      Object.assign(new Error('canary'), { code: 'denials_unknown' }),
      { code: 'internal' },
    ],
  ])('%s', (_title, exception, expected) => {
    const failure = failures().of(exception);
    expect(failure).toMatchObject(expected);
    expect(failureSchema.parse(failure)).toEqual(failure);
    expect(JSON.stringify(failure)).not.toContain('canary');
  });

  it('tells older clients, too, that requests wait for each other', () => {
    const failure = failures().of(new Busy('another request takes too long', 3));
    const message = 'another request takes too long';
    expect(failure).toEqual({ code: 'upstream_unavailable', busy: true, message, retryAfterSeconds: 3 });
    expect(failureSchema.parse(failure)).toMatchObject({ code: 'busy' });
  });

  it('is logged for the caller, once for those like it', () => {
    lines.length = 0;
    const one = failures();
    for (let i = 0; i < 100; i += 1) one.of(new StoreUnavailable('Redis is away'), 'request-7');
    expect(lines.length).toBeLessThan(20);
    expect(lines[0]).toMatchObject({ requestId: 'request-7' });
  });
});
