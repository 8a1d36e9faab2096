import { z } from 'zod';

/** RPC error of user-token: no verdict was reached. */
export const failureSchema = z.object({
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

export type Failure = z.infer<typeof failureSchema>;
