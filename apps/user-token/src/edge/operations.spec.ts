import { connect } from 'node:net';
import { createLogger } from '@app/ops';
import { openStore, type SharedStore } from '@app/store';
import { messages, operations, type MessageName } from '@app/contract';
import { FrameSocket } from '@app/wire';
import { readUserTokenConfig, startUserToken, type RunningUserToken } from '../index.js';

describe('the handlers of user-token', () => {
  let store: SharedStore;
  let userToken: RunningUserToken;

  beforeAll(async () => {
    store = openStore('memory:');
    const config = readUserTokenConfig({
      ENVIRONMENT: 'local',
      PORT: '0',
      OPS_PORT: '0',
      AUTH0_ISSUER_URL: 'http://localhost:1/',
    });
    const destination = { write: () => undefined };
    const logger = createLogger({ service: 'user-token', environment: 'local', level: 'fatal', destination });
    userToken = await startUserToken(config, { store, logger });
  });

  afterAll(async () => {
    await userToken.stop();
    await store.close();
  });

  function replyTo(pattern: string, data: unknown): Promise<any> {
    const socket = connect(userToken.port, '127.0.0.1');
    const frames = new FrameSocket(socket, { maxChars: 10_000, accepts: () => true });
    return new Promise((resolve, reject) => {
      socket.on('error', reject);
      frames.on('message', (reply: unknown) => {
        resolve(reply);
        socket.destroy();
      });
      frames.sendMessage({ pattern, data, id: '1' });
    });
  }

  it.each(Object.keys(operations) as MessageName[])('check the payload of %s by its schema', async (name) => {
    const { pattern } = messages[name];
    expect(await replyTo(pattern, { canary: 1 })).toMatchObject({ err: { code: 'invalid_payload' } });
  });

  it('answer the messages that are no operations, too', async () => {
    expect(await replyTo(messages.ping.pattern, {})).toMatchObject({
      response: { nowMs: expect.any(Number) },
    });
    const requests = [{ accessToken: 'short' }];
    expect(await replyTo(messages.verifyUnnamed.pattern, { requests })).toMatchObject({
      response: [{ index: 0, verdict: { active: false } }],
    });
  });

  it('are found by the pattern of one message each', () => {
    const patterns = Object.values(messages).map(({ pattern }) => pattern);
    expect(new Set(patterns).size).toBe(patterns.length);
  });
});
