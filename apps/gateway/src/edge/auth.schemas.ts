import { MAX_PASSWORD_BYTES, MAX_USERNAME_BYTES } from '@app/contract';
import { z } from 'zod';
import { fits } from './credential-limits.js';

const typed = (maxBytes: number) =>
  z
    .string()
    .min(1)
    .refine((text) => fits(text, maxBytes), `must be Unicode text of at most ${maxBytes} bytes in UTF-8`);

/** Body of POST /auth/login. Nothing is trimmed or normalised: the password is the user's exact input. */
export const loginSchema = z.object({
  username: typed(MAX_USERNAME_BYTES),
  password: typed(MAX_PASSWORD_BYTES),
  /** Auth0 connection to log in with; one of `LOGIN_REALMS`. */
  realm: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9-]{0,127}$/, 'must be the name of a connection')
    .optional(),
});

export type LoginBody = z.infer<typeof loginSchema>;
