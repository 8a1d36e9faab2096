import { ada, grace, Suite } from '@app/test-support/suite/suite';
import { until } from '@app/test-support/timing/until';

/** Server-sent events of venue, as they arrive. */
class Changes {
  text = '';
  ended = false;

  static async open(suite: Suite, token: string): Promise<Changes> {
    const response = await fetch(`${suite.venueUrl}/venues/changes`, {
      headers: { authorization: `Bearer ${token}`, accept: 'text/event-stream' },
    });
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
    const changes = new Changes();
    void changes.read(response.body!);
    return changes;
  }

  private async read(body: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const chunk of body) this.text += Buffer.from(chunk).toString();
    this.ended = true;
  }
}

describe('a stream of events', () => {
  let suite: Suite;

  beforeAll(async () => {
    suite = await Suite.open();
  });

  afterAll(async () => {
    await suite.close();
  });

  const addVenue = (token: string, name: string) =>
    suite.venue('/venues', {
      method: 'POST',
      token,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name, city: 'London', capacity: 1 }),
    });

  it('ends when its user logs out, and that of another session does not', async () => {
    const [ended, other, another] = [
      await suite.login(ada),
      await suite.login(ada),
      await suite.login(grace),
    ];
    const changes = await Promise.all([ended, other, another].map((token) => Changes.open(suite, token)));
    await addVenue(other, 'First');
    await until(() => changes.every(({ text }) => text.includes('event: added') && text.includes('First')));

    expect((await suite.logout(ended)).status).toBe(204);
    await until(() => changes[0]!.ended);
    await addVenue(other, 'Second');
    await until(() => changes.slice(1).every(({ text }) => text.includes('Second')));
    expect(changes.map(({ ended: isEnded }) => isEnded)).toEqual([true, false, false]);
    expect(changes[0]!.text).not.toContain('Second');
    expect((await suite.venue('/venues/changes', { token: ended })).status).toBe(401);

    await suite.gateway('/auth/logout-all', { method: 'POST', token: other });
    await until(() => changes[1]!.ended);
    expect(changes[2]!.ended).toBe(false);
    await suite.logout(another);
    await until(() => changes[2]!.ended);
  });

  it('does not delay the stop of its service', async () => {
    const changes = await Changes.open(suite, await suite.login(ada));
    await suite.own!.running.stop();
    await until(() => changes.ended);
  });
});
