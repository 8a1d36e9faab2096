import fastify from 'fastify';
import { fastifyJwtJwks } from 'fastify-jwt-jwks';
import { announce, setting } from './serve.js';
import { mayReadVenues, venues } from './venues.js';

const issuer = setting('ISSUER');
const app = fastify();
await app.register(fastifyJwtJwks, {
  jwksUrl: new URL('jwks', issuer).href,
  issuer,
  audience: setting('AUDIENCE'),
});
app.get('/venues', { preValidation: app.authenticate }, async (request, reply) => {
  if (!mayReadVenues((request.user as { scope?: unknown }).scope)) return reply.code(403).send();
  return venues;
});
announce(new URL(await app.listen({ port: 0, host: '127.0.0.1' })).port);
