/** Which tokens are sent. */
export type Traffic =
  /** One valid token. */
  | 'one token'
  /** 1,000 valid tokens in turn. */
  | '1,000 tokens'
  /** So many valid tokens in turn that none is known any more when its turn comes again. */
  | 'unknown tokens'
  /** One token whose signature is not valid. */
  | 'refused token';

/** One line of the report: a server of bench/servers under one kind of traffic. */
export interface Row {
  readonly title: string;
  readonly server: string;
  readonly traffic: Traffic;
  /** The server that this one's share is taken of, under the same traffic (a refused token: one valid token). */
  readonly openRoute: string;
  readonly kind: 'platform' | 'ours' | 'peer';
}

type Line = readonly [title: string, server: string, traffic: Traffic, kind: Row['kind']];

const onFastify: readonly Line[] = [
  ['Nest on Fastify, open route', 'open', 'one token', 'platform'],
  ['a guard that does nothing', 'guard-true', 'one token', 'platform'],
  ['a guard of one SHA-256 and one Map', 'guard-hash', 'one token', 'platform'],
  ['BearerGuard, in-process hit', 'ours', 'one token', 'ours'],
  ['BearerGuard, Redis hit with epoch', 'ours-redis', 'one token', 'ours'],
  ['BearerGuard, refused token', 'ours', 'refused token', 'ours'],
  ['fast-jwt with its cache', 'fast-jwt', 'one token', 'peer'],
  ['jose.jwtVerify in a guard', 'jose', 'one token', 'peer'],
  ['passport-jwt + jwks-rsa', 'passport-jwt', 'one token', 'peer'],

  ['Nest on Fastify, open route', 'open', '1,000 tokens', 'platform'],
  ['a guard that does nothing', 'guard-true', '1,000 tokens', 'platform'],
  ['a guard of one SHA-256 and one Map', 'guard-hash', '1,000 tokens', 'platform'],
  ['BearerGuard, in-process hit', 'ours', '1,000 tokens', 'ours'],
  ['BearerGuard, Redis hit with epoch', 'ours-redis', '1,000 tokens', 'ours'],
  ['fast-jwt with its cache', 'fast-jwt', '1,000 tokens', 'peer'],

  ['Nest on Fastify, open route', 'open', 'unknown tokens', 'platform'],
  ['BearerGuard, asks user-token', 'ours-cold', 'unknown tokens', 'ours'],
  ['jose.jwtVerify in a guard', 'jose', 'unknown tokens', 'peer'],
];

const onExpress: readonly Line[] = [
  ['Nest on Express, open route', 'open-express', 'one token', 'platform'],
  ['BearerGuard on Express, in-process hit', 'ours-express', 'one token', 'ours'],
  ['express-oauth2-jwt-bearer', 'express-oauth2-jwt-bearer', 'one token', 'peer'],
];

const withoutNest: readonly Line[] = [
  ['Fastify alone, open route', 'open-fastify', 'one token', 'platform'],
  ['fastify-jwt-jwks, no Nest', 'fastify-jwt-jwks', 'one token', 'peer'],
];

export const rows: readonly Row[] = [
  ...of('open', onFastify),
  ...of('open-express', onExpress),
  ...of('open-fastify', withoutNest),
];

/** The row of a server under one kind of traffic. */
export function rowOf(server: string, traffic: Traffic = 'one token'): Row {
  const row = rows.find((candidate) => candidate.server === server && candidate.traffic === traffic);
  if (!row) throw new Error(`there is no row of ${server} with ${traffic}`);
  return row;
}

function of(openRoute: string, lines: readonly Line[]): Row[] {
  return lines.map(([title, server, traffic, kind]) => ({ title, server, traffic, kind, openRoute }));
}
