import { z } from 'zod';
import { failureOnWire, failureSchema, type Failure } from './failure.js';

/** All that clients know that are older than `busy`. */
const formerFailureSchema = z.object({
  code: z.enum([
    'upstream_unavailable',
    'store_unavailable',
    'denials_unknown',
    'draining',
    'internal',
    'invalid_payload',
  ]),
  message: z.string(),
  retryAfterSeconds: z.number().optional(),
});

const busy: Failure = { code: 'busy', message: 'another request takes too long', retryAfterSeconds: 3 };

describe('A failure on the wire', () => {
  it.each<Failure>([busy, { code: 'store_unavailable', message: 'Redis is away' }])(
    'of the code $code is read as it was meant',
    (failure) => {
      expect(failureSchema.parse(failureOnWire(failure))).toEqual(failure);
    },
  );

  it('that says "busy" is understood by a client of before', () => {
    expect(formerFailureSchema.parse(failureOnWire(busy))).toEqual({ ...busy, code: 'upstream_unavailable' });
  });

  it('of a user-token of before is read as it is', () => {
    const former = { code: 'upstream_unavailable', message: 'Auth0 is away', retryAfterSeconds: 5 };
    expect(failureSchema.parse(former)).toEqual(former);
  });

  it('may not have the code "busy", which a client of before does not take', () => {
    expect(failureSchema.safeParse(busy).success).toBe(false);
  });
});
