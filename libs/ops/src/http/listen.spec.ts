import { createServer, type AddressInfo, type Server } from 'node:net';
import { ensureListenable, listenOrExplain, type Listening } from './listen.js';
import { StartError } from '../settings/start-error.js';

const venue: Listening = { service: 'venue', host: '127.0.0.1', port: 0, setting: 'PORT' };
const ops: Listening = { ...venue, service: 'venue ops', setting: 'OPS_PORT' };

describe('a listener', () => {
  let taken: Server;

  beforeAll(async () => {
    taken = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
  });

  afterAll(() => {
    taken.close();
  });

  it('is free again after a successful check', async () => {
    const { port } = taken.address() as AddressInfo;
    await expect(ensureListenable({ ...venue, port })).rejects.toThrow(`Port ${port} (venue)`);
    await ensureListenable(venue);
    await ensureListenable({ ...venue, host: 'localhost' });
  });

  it.each([
    [
      { ...venue, host: 'no-such-host.invalid' },
      /^HOST no-such-host.invalid \(venue\) is a name that does not resolve/,
    ],
    [{ ...ops, host: 'no-such-host.invalid' }, /^OPS_HOST no-such-host.invalid \(venue ops\)/],
    [{ ...venue, host: '203.0.113.1' }, /^HOST 203.0.113.1 \(venue\) is no address of this machine/],
    [
      { ...ops, host: '2001:db8::1' },
      /^OPS_HOST 2001:db8::1 \(venue ops\) is (no address of this machine|an address of a kind)/,
    ],
  ])('without its address explains the reason: %j', async (listening, message) => {
    const failing = ensureListenable(listening);
    await expect(failing).rejects.toThrow(StartError);
    await expect(failing).rejects.toThrow(message);
  });

  it.each([
    [
      'EACCES',
      venue,
      /^Port 0 \(venue\) needs a right that this user does not have.* with PORT \(VENUE_PORT under npm start\), from 1024 on/,
    ],
    ['EACCES', ops, /^Port 0 \(venue ops\) .* with OPS_PORT \(VENUE_OPS_PORT under npm start\)/],
    ['EADDRINUSE', ops, /^Port 0 \(venue ops\) is already in use/],
    ['EAI_AGAIN', venue, /^HOST 127.0.0.1 \(venue\) is a name that does not resolve \(EAI_AGAIN\)/],
    [
      'EAFNOSUPPORT',
      ops,
      /^OPS_HOST 127.0.0.1 \(venue ops\) is an address of a kind that this machine does not have/,
    ],
    [
      'EMFILE',
      venue,
      /^HOST 127.0.0.1 \(venue\) and port 0 cannot be listened on \(EMFILE\): check HOST and PORT/,
    ],
  ])('that fails with %s explains the reason', async (code, listening, message) => {
    const failing = listenOrExplain(listening, () => Promise.reject(Object.assign(new Error(), { code })));
    await expect(failing).rejects.toThrow(StartError);
    await expect(failing).rejects.toThrow(message);
  });

  it.each([new Error('a bug'), Object.assign(new Error('a bug'), { code: 'ERR_INVALID_ARG_TYPE' })])(
    'that fails because of a bug explains nothing: %p',
    async (bug) => {
      await expect(listenOrExplain(venue, () => Promise.reject(bug))).rejects.toBe(bug);
    },
  );
});
