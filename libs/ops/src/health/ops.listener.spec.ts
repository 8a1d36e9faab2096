import { createLogger, startOps, type Checks } from '../index.js';

const logger = createLogger({ service: 'test', environment: 'local', level: 'silent' });

async function readiness(checks: Checks) {
  const ops = await startOps({
    service: 'test',
    host: '127.0.0.1',
    port: 0,
    setting: 'OPS_PORT',
    logger,
    checks,
  });
  const response = await fetch(`http://127.0.0.1:${ops.port}/health/ready`);
  const body = await response.text();
  const live = await fetch(`http://127.0.0.1:${ops.port}/health/live`);
  await ops.close();
  return { status: response.status, body, live: live.status };
}

describe('the ops listener', () => {
  it.each<[string, Checks, number]>([
    ['every check passes', { store: () => ({ up: true }) }, 200],
    ['a check is degraded', { store: () => ({ up: true, degraded: true, detail: 'slow' }) }, 200],
    ['a check does not pass', { store: () => ({ up: false, detail: 'away' }) }, 503],
    [
      'a check throws',
      {
        store: () => {
          throw new Error('canary');
        },
      },
      503,
    ],
    ['a check rejects', { store: () => Promise.reject(new Error('canary')) }, 503],
  ])('when %s', async (_title, checks, status) => {
    const answer = await readiness(checks);
    expect(answer).toMatchObject({ status, live: 200 });
    expect(answer.body).not.toContain('canary');
  });

  it('distinguishes degraded checks from those that are up or down', async () => {
    const checks: Checks = {
      store: () => ({ up: true }),
      client: () => ({ up: true, degraded: true, detail: 'wrong secret' }),
    };
    const degraded = await readiness(checks);
    expect(JSON.parse(degraded.body)).toMatchObject({
      status: 'degraded',
      details: { store: { status: 'up' }, client: { status: 'degraded', detail: 'wrong secret' } },
    });
    const down = await readiness({ ...checks, issuer: () => ({ up: false }) });
    expect(down.status).toBe(503);
    expect(JSON.parse(down.body)).toMatchObject({
      status: 'error',
      details: { client: { status: 'degraded' }, issuer: { status: 'down' } },
    });
  });
});
