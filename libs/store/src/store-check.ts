import type { ServerFacts } from './ports/server-facts.js';

/** For readiness: whether the store does everything that a service needs, and what is wrong if not. */
export function storeCheck(server: ServerFacts): { readonly up: boolean; readonly detail?: string } {
  const { problems } = server;
  if (problems.length > 0) return { up: false, detail: problems.join('; ') };
  return server.available ? { up: true } : { up: false, detail: 'Redis is too slow at the moment' };
}
