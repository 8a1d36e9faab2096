import { z } from 'zod';
import {
  MAX_CLIENT_ID_LENGTH,
  MAX_REQUEST_ID_LENGTH,
  MAX_SCOPES,
  MAX_TOKEN_LENGTH,
  MAX_USER_AGENT_LENGTH,
} from '../limits.js';

export const requestId = z.string().max(MAX_REQUEST_ID_LENGTH).optional();

/** Any text: user-token refuses what is not canonical with a reason. */
export const token = z.string().min(1).max(MAX_TOKEN_LENGTH);

/** Address of the end user, sent upstream as `auth0-forwarded-for`. */
export const clientAddress = z.union([z.ipv4(), z.ipv6()]).optional();

export const userAgent = z.string().max(MAX_USER_AGENT_LENGTH).optional();

export const clientId = z.string().min(1).max(MAX_CLIENT_ID_LENGTH);

const scopes = z.array(z.string().min(1)).max(MAX_SCOPES);

/** An authenticated registered client, and what it may have. */
export const client = z.strictObject({
  clientId,
  /** Scopes that it may have. */
  allowed: scopes,
  /** Scopes that it asks for; when absent, all that it can have. */
  asked: scopes.optional(),
});
