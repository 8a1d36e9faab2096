import type { DynamicModule } from '@nestjs/common';
import { createHttpApplication, createLogger } from '@app/ops';
import { GatewayModule, NoClients } from '@app/gateway';
import { VenueModule } from '@app/venue';
import { Suite } from '@app/test-support/suite/suite';

interface Route {
  readonly method: string;
  readonly path: string;
}

/** Routes that need not answer 401 without a token. There are no others. */
const METADATA = '/.well-known/oauth-authorization-server';
const OPEN = {
  venue: ['GET /', 'HEAD /'],
  gateway: ['POST /auth/login', `GET ${METADATA}`, `HEAD ${METADATA}`],
};
/** Routes for authenticated clients instead of tokens; oauth2.e2e-spec shows that they refuse other callers. */
const CLIENTS_ONLY = /^\/oauth2\//;

const logger = createLogger({ service: 'test', environment: 'local', level: 'silent' });
const noClients = new NoClients();
const auth = { audience: 'https://api.test/', userToken: { urls: 'tcp://127.0.0.1:1' } };

describe('closed by default', () => {
  let suite: Suite;
  const routes = new Map<'venue' | 'gateway', Route[]>();

  beforeAll(async () => {
    suite = await Suite.open();
    routes.set('venue', await routesOf(VenueModule.forRoot(auth, logger)));
    const oauth2 = { publicUrl: undefined, audience: [], invalidGrantStatus: 401 } as const;
    routes.set('gateway', await routesOf(GatewayModule.forRoot(auth, oauth2, noClients, logger)));
  });

  afterAll(async () => {
    await suite.close();
  });

  it.each(['venue', 'gateway'] as const)('every route of %s answers 401 without a token', async (service) => {
    const all = routes.get(service)!.filter(({ path }) => !CLIENTS_ONLY.test(path));
    expect(all.length).toBeGreaterThan(3);
    const answering: string[] = [];
    for (const { method, path } of all) {
      const url = path.replace(/:\w+/g, 'royal-institution');
      const answer = await suite[service](url, { method });
      if (answer.status !== 401) answering.push(`${method} ${path}`);
      else expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer realm=/);
    }
    expect(answering.sort()).toEqual(OPEN[service].toSorted());
  });

  it.each([
    '/VENUES',
    '/venues/',
    '//venues',
    '/venues/.',
    '/x/../venues',
    '/%76enues',
    '/venues;a=1',
    '/venues%00',
    '/venues%20',
    '/venues?',
    '/venues/royal-institution/',
  ])('%s does not get past the guard', async (path) => {
    for (const method of ['GET', 'HEAD', 'POST', 'OPTIONS', 'DELETE']) {
      const headers = { 'x-http-method-override': 'GET', 'x-original-url': '/', 'x-rewrite-url': '/' };
      const answer = await suite.venue(path, { method, headers });
      expect([400, 401, 404, 405]).toContain(answer.status);
      expect(answer.text).not.toContain('Royal Institution');
    }
  });
});

async function routesOf(module: DynamicModule): Promise<Route[]> {
  const app = await createHttpApplication(module, { logger });
  const found: Route[] = [];
  app
    .getHttpAdapter()
    .getInstance()
    .addHook('onRoute', ({ method, url }) => {
      for (const one of [method].flat()) found.push({ method: one, path: url });
    });
  await app.init();
  await app.close();
  return found;
}
