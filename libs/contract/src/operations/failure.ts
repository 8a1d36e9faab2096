import { z } from 'zod';

/** A code that is new to an older client would cost it all the verdicts of the reply. It ignores fields that it does not know. */
const failureOnWireSchema = z.object({
  code: z.enum([
    'upstream_unavailable',
    'store_unavailable',
    'denials_unknown',
    'draining',
    'internal',
    'invalid_payload',
  ]),
  /** With `upstream_unavailable`: requests of user-token wait for each other, and the authorization server has no part in it. */
  busy: z.boolean().optional(),
  message: z.string(),
  retryAfterSeconds: z.number().optional(),
});

/** RPC error of user-token: no verdict was reached. */
export const failureSchema = failureOnWireSchema.transform(({ busy, code, ...failure }) => ({
  ...failure,
  code: busy ? ('busy' as const) : code,
}));

export type FailureOnWire = z.infer<typeof failureOnWireSchema>;
export type Failure = z.output<typeof failureSchema>;

export function failureOnWire({ code, ...failure }: Failure): FailureOnWire {
  return code === 'busy' ? { code: 'upstream_unavailable', busy: true, ...failure } : { code, ...failure };
}
