/** Parameters of a token request (RFC 6749 section 4.3, plus Auth0's `audience` and `realm`). */
import type { GrantContext } from '../../../core/grant.js';
import type { Api } from '../../../core/directory.js';
import { Refused } from '../../../core/refusal.js';

export const tokenRequestParameters = [
  'username',
  'password',
  'realm',
  'audience',
  // RFC 8707, the standard's name for `audience`.
  'resource',
  'scope',
] as const;

/** @throws {Refused} `parameter_missing` */
export function required(
  parameters: GrantContext['parameters'],
  name: (typeof tokenRequestParameters)[number],
): string {
  const value = parameters[name];
  if (value === undefined) throw new Refused({ reason: 'parameter_missing', name });
  return value;
}

/** @throws {Refused} `audience_unknown` */
export function requestedApi({ parameters, directory }: GrantContext): Api | undefined {
  const audience = parameters['audience'] ?? parameters['resource'];
  if (audience === undefined) return undefined;
  const api = directory.apis.get(audience);
  if (!api) throw new Refused({ reason: 'audience_unknown', audience });
  return api;
}
