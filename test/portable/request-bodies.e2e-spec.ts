import { ada, Suite } from '@app/test-support/suite/suite';

/** A body in chunks, without a type. */
function streamed(...texts: string[]): RequestInit {
  const chunks = texts.map((text) => new TextEncoder().encode(text));
  const body = new ReadableStream({
    pull: (controller) => {
      const chunk = chunks.shift();
      if (chunk) controller.enqueue(chunk);
      else controller.close();
    },
  });
  return { body, duplex: 'half' };
}

function multipart(): FormData {
  const form = new FormData();
  form.set('file', new Blob(['x'.repeat(1_000)]), 'x.txt');
  return form;
}

interface Sessions {
  readonly sessions: readonly { readonly id: string; readonly current: boolean }[];
}

const JSON_TYPE = { 'content-type': 'application/json' };

describe('a route that reads no body', () => {
  let suite: Suite;

  beforeAll(async () => {
    suite = await Suite.open();
  });

  afterAll(async () => {
    await suite.close();
  });

  const some: [string, () => RequestInit][] = [
    ['JSON of no length', () => ({ headers: JSON_TYPE })],
    ['multipart', () => ({ body: multipart() })],
    ['chunks without a type', () => streamed('x', 'y')],
  ];
  const bodies: [string, () => RequestInit][] = [
    ...some,
    ['JSON that is broken', () => ({ headers: JSON_TYPE, body: '{' })],
    ['JSON that is not UTF-8', () => ({ headers: JSON_TYPE, body: Buffer.from([0x22, 0xe4, 0x22]) })],
    [
      'bytes',
      () => ({ headers: { 'content-type': 'application/octet-stream' }, body: Buffer.from([0, 0xff]) }),
    ],
    ['no chunks and no type', () => streamed()],
    ['a form', () => ({ body: new URLSearchParams({ token: 'x' }) })],
    ['100 kB of a form', () => ({ body: new URLSearchParams({ a: 'x'.repeat(100_000) }) })],
    ['100 kB of text', () => ({ body: 'x'.repeat(100_000) })],
  ];

  it.each(bodies)('ends a session with %s', async (_title, sent) => {
    const token = await suite.login(ada);
    expect(await suite.gateway('/auth/logout', { method: 'POST', token, ...sent() })).toMatchObject({
      status: 204,
    });
    expect(await suite.venue('/venues', { token })).toMatchObject({ status: 401 });
  });

  it('works with any body', async () => {
    for (const [title, sent] of some) {
      const token = await suite.login(ada);
      const refreshed = await suite.gateway('/auth/refresh', { method: 'POST', token, ...sent() });
      expect([title, refreshed.status]).toEqual([title, 200]);
      const fresh = suite.remember(refreshed.body.access_token as string);
      const { sessions } = (await suite.gateway('/auth/sessions', { token: fresh })).body as Sessions;
      const current = sessions.find((session) => session.current)!;
      const ended = { method: 'DELETE', token: fresh, ...sent() };
      expect([title, (await suite.gateway(`/auth/sessions/${current.id}`, ended)).status]).toEqual([
        title,
        204,
      ]);
      expect((await suite.venue('/venues', { token: fresh })).status).toBe(401);
    }
  });

  it.each([
    ['POST', '/auth/logout-all'],
    ['DELETE', '/auth/sessions'],
  ])('ends all sessions: %s %s', async (method, path) => {
    for (const [title, sent] of some) {
      const token = await suite.login(ada);
      expect([title, (await suite.gateway(path, { method, token, ...sent() })).status]).toEqual([title, 204]);
      expect((await suite.venue('/venues', { token })).status).toBe(401);
    }
  });

  it('deletes at a resource server as well', async () => {
    const token = await suite.login(ada);
    for (const [title, sent] of some) {
      const added = await suite.venue('/venues', {
        method: 'POST',
        token,
        headers: JSON_TYPE,
        body: JSON.stringify({ name: 'Shed', city: 'London', capacity: 3 }),
      });
      const path = `/venues/${added.body.id}`;
      const deleted = await suite.venue(path, { method: 'DELETE', token, ...sent() });
      expect([title, deleted.status]).toEqual([title, 204]);
      expect((await suite.venue(path, { token })).status).toBe(404);
    }
  });

  it('runs its guard before the check of the body', async () => {
    const broken = { method: 'POST', headers: JSON_TYPE, body: '{' };
    expect((await suite.venue('/venues', broken)).status).toBe(401);
  });
});
