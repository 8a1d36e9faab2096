import fastify from 'fastify';
import { announce } from './serve.js';
import { venues } from './venues.js';

const app = fastify();
app.get('/venues', async () => venues);
announce(new URL(await app.listen({ port: 0, host: '127.0.0.1' })).port);
