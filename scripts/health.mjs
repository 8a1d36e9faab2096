// HEALTHCHECK of a container: `node scripts/health.mjs 9001` exits with 0 when the ops listener of its service says ready.
import { Agent, get } from 'node:http';

/** Where a listener on all addresses is reached from within. */
const ALL = ['::1', '127.0.0.1'];
const LOOPBACK = { '': ALL, '*': ALL, '::': ALL, '0.0.0.0': ['127.0.0.1'] };
const TIMEOUT_MS = 2_000;

const [defaultPort] = process.argv.slice(2);
const { OPS_HOST = '', OPS_PORT = '' } = process.env;
const host = OPS_HOST.trim().replace(/^\[(.*)\]$/, '$1');
const port = OPS_PORT.trim() || defaultPort;

const answers = await Promise.all((LOOPBACK[host] ?? [host]).map(isReady));
process.exit(answers.includes(true) ? 0 : 1);

function isReady(address) {
  return new Promise((resolve) => {
    // An agent of its own goes by way of no proxy.
    const agent = new Agent();
    get({ host: address, port, agent, path: '/health/ready', timeout: TIMEOUT_MS })
      .on('timeout', () => resolve(false))
      .on('response', ({ statusCode }) => resolve(statusCode === 200))
      .on('error', () => resolve(false));
  });
}
