import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { operations, tokenHash, type OperationName, type RequestOf, type ResultOf } from '@app/contract';
import { FrameSocket } from '@app/wire';
import { UserTokenClient } from './index.js';

interface Call {
  readonly pattern: string;
  readonly data: any;
  readonly id: string;
}

/** A request and an answer of each operation. */
const SAMPLES: {
  readonly [Name in OperationName]: readonly [request: RequestOf<Name>, result: ResultOf<Name>];
} = {
  verify: [{ accessToken: 'opaque-token-00000001' }, { active: false, reason: 'expired' }],
  login: [
    { username: 'ada', password: 'p', realm: 'staff', clientAddress: '192.0.2.1' },
    { granted: false, error: 'mfa_required', mfaHandle: 'handle' },
  ],
  refresh: [
    { accessToken: 'old', userAgent: 'browser' },
    { granted: true, token: { accessToken: 'new', expiresInSeconds: 60, scope: 'openid' } },
  ],
  logout: [{ accessToken: 'mine', requestId: 'r1' }, { ended: true }],
  logoutAll: [{ accessToken: 'mine' }, { ended: false, reason: 'not_permitted' }],
  listSessions: [{ accessToken: 'mine' }, { listed: true, sessions: [] }],
  endSession: [
    { accessToken: 'mine', sessionId: '0b06c0a5-5f1b-4a5c-9f52-6b7a4d0a3c11' },
    { ended: false, reason: 'unknown_session' },
  ],
  refreshGrant: [
    { refreshToken: 'vrt-old', client: { clientId: 'shop', allowed: ['read:venues'] } },
    { granted: false, error: 'token_reused' },
  ],
  revokeToken: [{ token: 'vrt-old', clientId: 'shop' }, { outcome: 'foreign' }],
  inspectRefreshToken: [{ token: 'vrt-old', clientId: 'shop' }, { active: false }],
  revokeSubject: [{ subject: 'auth0|ada' }, { revoked: true }],
};
const NAMES = Object.keys(operations) as OperationName[];

describe('the operations of the client', () => {
  let server: Server;
  let client: UserTokenClient;
  const calls: Call[] = [];
  let answer: (call: Call, socket: Socket, frames: FrameSocket) => void;

  beforeEach(async () => {
    calls.length = 0;
    server = createServer((socket) => {
      socket.on('error', () => undefined);
      const frames = new FrameSocket(socket, { maxChars: 100_000, accepts: () => true });
      frames.on('message', (call: Call) => {
        if (call.pattern === 'ping')
          return frames.sendMessage({ id: call.id, response: {}, isDisposed: true });
        calls.push(call);
        answer(call, socket, frames);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    client = new UserTokenClient({ urls: `tcp://127.0.0.1:${(server.address() as AddressInfo).port}` });
  });

  afterEach(async () => {
    client.close();
    await new Promise((resolve) => server.close(resolve));
  });

  const ask = (name: OperationName) =>
    (client[name] as (request: unknown) => Promise<unknown>)(SAMPLES[name][0]);
  const requestIn = ({ pattern, data }: Call): unknown =>
    pattern === operations.verify.pattern ? data.requests[0] : data;

  it.each(NAMES)('ask %s as the table has it, and resolve with the answer', async (name) => {
    const [request, result] = SAMPLES[name];
    answer = ({ pattern, data, id }, _socket, frames) => {
      const verdict = () => ({
        index: 0,
        tokenHash: tokenHash(data.requests[0].accessToken),
        verdict: result,
      });
      const response = pattern === operations.verify.pattern ? { nowMs: 1, answers: [verdict()] } : result;
      frames.sendMessage({ id, response, isDisposed: true });
    };
    expect(await ask(name)).toEqual(result);
    expect(calls.map(({ pattern }) => pattern)).toEqual([operations[name].pattern]);
    expect(requestIn(calls[0]!)).toEqual(request);
    expect(operations[name].request.parse(request)).toEqual(request);
  });

  it.each(NAMES)('repeat %s after a lost connection only where that does no harm', async (name) => {
    answer = (_call, socket) => socket.destroy();
    await expect(ask(name)).rejects.toMatchObject({ code: 'unreachable' });
    expect(calls).toHaveLength(operations[name].repeatable ? 2 : 1);
  });
});
