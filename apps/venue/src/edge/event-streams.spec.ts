import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { Module } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, HttpAdapterHost } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { BearerGuard } from '@app/auth';
import { asUser, AuthTestingModule } from '@app/auth/testing';
import { createHttpApplication, createLogger, ProblemFilter } from '@app/ops';
import { UserTokenClient } from '@app/user-token-client';
import { until } from '@app/test-support/timing/until';
import { MemoryVenues } from '../adapters/memory-venues.js';
import { Venues } from '../core/venue.js';
import { EventStreams, MAX_UNREAD_CHARACTERS, STREAM_LIMITS } from './event-streams.js';
import { VenuesController } from './venues.controller.js';

const logs: string[] = [];
const logger = createLogger({
  service: 'venue',
  environment: 'test',
  destination: { write: (line) => void logs.push(line) },
});

describe('GET /venues/changes', () => {
  let app: NestFastifyApplication;

  async function start(limits: Partial<typeof STREAM_LIMITS> = {}): Promise<void> {
    @Module({
      imports: [AuthTestingModule.forRoot()],
      controllers: [VenuesController],
      providers: [
        { provide: Venues, useClass: MemoryVenues },
        { provide: EventStreams, useValue: new EventStreams({ ...STREAM_LIMITS, ...limits }) },
        { provide: APP_GUARD, useExisting: BearerGuard },
        {
          provide: APP_FILTER,
          inject: [HttpAdapterHost],
          useFactory: (adapterHost: HttpAdapterHost) => new ProblemFilter(adapterHost, logger),
        },
      ],
    })
    class StreamsModule {}
    app = await createHttpApplication(StreamsModule, { logger });
    await app.listen(0, '127.0.0.1');
  }

  afterEach(() => app.close());

  async function open(subject: string, method = 'GET'): Promise<IncomingMessage> {
    const { port } = app.getHttpServer().address() as AddressInfo;
    const headers = asUser({ subject, scopes: ['read:venues'] });
    const outgoing = httpRequest({ port, path: '/venues/changes', method, headers, agent: false });
    outgoing.on('error', () => undefined);
    outgoing.end();
    const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
    incoming.on('error', () => undefined);
    return incoming;
  }
  async function opened(subject: string): Promise<IncomingMessage> {
    const incoming = await open(subject);
    expect([incoming.statusCode, incoming.headers['content-type']]).toEqual([200, 'text/event-stream']);
    return incoming;
  }
  async function refused(subject: string, status: number, detail: string): Promise<void> {
    const incoming = await open(subject);
    const { statusCode, headers } = incoming;
    expect([statusCode, headers['retry-after']]).toEqual([status, '15']);
    expect(headers['content-type']).toContain('application/problem+json');
    expect(JSON.parse((await incoming.toArray()).join(''))).toMatchObject({ status, detail });
  }
  const isOpen = async (subject: string) => {
    const incoming = await open(subject);
    incoming.destroy();
    return incoming.statusCode === 200;
  };

  it('sends a comment from time to time, so that proxies do not count it as idle', async () => {
    await start({ heartbeatMs: 20 });
    const stream = await opened('auth0|ada');
    let text = '';
    stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    await until(() => text.split('\n').filter((line) => line.startsWith(':')).length >= 3);
    await app.get(Venues).add({ name: 'First', city: 'London', capacity: 1 });
    await until(() => text.includes('event: added\nid: 1\ndata: '));
    stream.destroy();
  });

  it('has a heartbeat every 15 s', () => {
    expect(STREAM_LIMITS.heartbeatMs).toBe(15_000);
    return start();
  });

  it('answers 429 with Retry-After only to a user with the maximum of open streams', async () => {
    await start({ perSubject: 2 });
    const [first, second] = [await opened('auth0|ada'), await opened('auth0|ada')];
    await refused('auth0|ada', 429, 'This user has 2 streams open, and may not have more');
    const other = await opened('auth0|grace');
    first.destroy();
    await until(() => isOpen('auth0|ada'));
    for (const stream of [second, other]) stream.destroy();
  });

  it('answers 503 with Retry-After when the maximum of all streams is open', async () => {
    await start({ inAll: 2 });
    const streams = [await opened('auth0|ada'), await opened('auth0|grace')];
    await refused('auth0|mary', 503, 'As many streams are open as may be');
    streams[0]!.destroy();
    await until(() => isOpen('auth0|mary'));
    streams[1]!.destroy();
  });

  it('gives back its place, however it ends', async () => {
    await start({ inAll: 1 });
    const stream = await opened('auth0|ada');
    await app.get(UserTokenClient).revokeSubject({ subject: 'auth0|ada' });
    await stream.toArray();
    const head = await open('auth0|grace', 'HEAD');
    expect(head.statusCode).toBe(200);
    await until(() => isOpen('auth0|grace'));
    const gone = await opened('auth0|grace');
    gone.destroy();
    await until(() => isOpen('auth0|grace'));
  });

  it('ends with its token also for a client that does not read', async () => {
    await start();
    const sockets: Socket[] = [];
    app.getHttpServer().on('connection', (socket: Socket) => void sockets.push(socket));
    const slow = await opened('auth0|ada');
    slow.pause();
    const [socket] = sockets as [Socket];
    const venue = { name: 'x'.repeat(4_000), city: 'London', capacity: 1 };
    // Until the kernel accepts no more; later bytes do no harm.
    while (socket.writableLength === 0) {
      await app.get(Venues).add(venue);
      await turn();
    }
    expect(socket.destroyed).toBe(false);
    await app.get(UserTokenClient).revokeSubject({ subject: 'auth0|ada' });
    await until(() => socket.destroyed, 20_000);
    slow.destroy();
  });

  it('cuts off only a client that lets too much wait', async () => {
    await start();
    const [slow, quick] = [await opened('auth0|ada'), await opened('auth0|grace')];
    slow.pause();
    let heard = 0;
    quick
      .setEncoding('utf8')
      .on('data', (chunk: string) => (heard += chunk.split('event: added').length - 1));
    // Bytes in the kernel's buffers come on top.
    const venue = { name: 'x'.repeat(16_000), city: 'London', capacity: 1 };
    const isCut = () => logs.some((line) => line.includes(`maximum allowed ${MAX_UNREAD_CHARACTERS}`));
    let added = 0;
    while (!isCut() && added < 5_000) {
      await app.get(Venues).add(venue);
      added += 1;
      await until(() => heard === added);
      await turn();
    }
    expect(isCut()).toBe(true);
    const closed = new Promise((resolve) => slow.once('close', resolve));
    slow.resume();
    await closed;
    expect(slow.complete).toBe(false);
    expect(quick.destroyed).toBe(false);
    quick.destroy();
  });
});
