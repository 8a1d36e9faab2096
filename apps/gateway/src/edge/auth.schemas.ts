import { z } from 'zod';

/** Body of POST /auth/login. Nothing is trimmed or normalised: a password is what the user typed. */
export const loginSchema = z.object({
  username: z.string().min(1).max(320),
  password: z.string().min(1).max(4096),
  /** Auth0 connection to log in with; one of `LOGIN_REALMS`. */
  realm: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9-]{0,127}$/, 'must be the name of a connection')
    .optional(),
});

export type LoginBody = z.infer<typeof loginSchema>;
