import {
  MAX_CALL_ID_LENGTH,
  MAX_CLIENT_ID_LENGTH,
  MAX_ENVELOPE_LENGTH,
  MAX_MESSAGE_LENGTH,
  MAX_PASSWORD_BYTES,
  MAX_PATTERN_LENGTH,
  MAX_REALM_LENGTH,
  MAX_REPLY_LENGTH,
  MAX_REQUEST_ID_LENGTH,
  MAX_SUBJECT_LENGTH,
  MAX_TOKEN_LENGTH,
  MAX_USER_AGENT_LENGTH,
  MAX_USERNAME_BYTES,
  MAX_VERDICTS_TOGETHER,
  MAX_VERIFICATIONS,
  SEND_WINDOW_LENGTH,
} from './limits.js';
import { messages, operations, type OperationName, type RequestOf } from './operations/operations.js';
import type { Verdict, VerifyReply } from './operations/verdict.js';

/** The character with the longest form in JSON: six for one. */
const any = (length: number) => '\u0001'.repeat(length);
const token = 'a'.repeat(MAX_TOKEN_LENGTH);
const requestId = any(MAX_REQUEST_ID_LENGTH);
const clientAddress = `ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255`;
const userAgent = any(MAX_USER_AGENT_LENGTH);
const clientId = any(MAX_CLIENT_ID_LENGTH);
/** What a client may have and asks for is up to who registers it. */
const client = { clientId, allowed: [], asked: [] };
const LEFT_FOR_SCOPES = 24 * 1024;

/** The largest request of each operation, with canonical tokens. */
const LARGEST: { readonly [Name in OperationName]: RequestOf<Name> } = {
  verify: { requestId, accessToken: token },
  login: {
    requestId,
    username: any(MAX_USERNAME_BYTES),
    password: any(MAX_PASSWORD_BYTES),
    realm: any(MAX_REALM_LENGTH),
    clientAddress,
    userAgent,
    client,
  },
  refresh: { requestId, accessToken: token, clientAddress, userAgent },
  logout: { requestId, accessToken: token },
  logoutAll: { requestId, accessToken: token },
  listSessions: { requestId, accessToken: token },
  endSession: { requestId, accessToken: token, sessionId: '0b06c0a5-5f1b-4a5c-9f52-6b7a4d0a3c11' },
  refreshGrant: { requestId, refreshToken: token, client, clientAddress, userAgent },
  revokeToken: { requestId, token, clientId },
  inspectRefreshToken: { requestId, token, clientId },
  revokeSubject: { requestId, subject: '\u{1F600}'.repeat(MAX_SUBJECT_LENGTH) },
};
const NAMES = Object.keys(operations) as OperationName[];

/** A verdict about the largest token: its payload is a scope of many words, which a list makes longer, and further claims. */
function largestVerdict(): Verdict {
  const payloadBytes = (MAX_TOKEN_LENGTH * 3) / 4;
  return {
    active: true,
    principal: {
      subject: 's'.repeat(MAX_SUBJECT_LENGTH),
      clientId: 'c'.repeat(MAX_CLIENT_ID_LENGTH),
      scopes: Array<string>(Math.floor(payloadBytes / 'ab '.length)).fill('ab'),
      permissions: [],
      issuer: 'i'.repeat(255),
      audience: ['a'.repeat(255)],
      issuedAtSeconds: 2 ** 31 + 0.123,
      expiresAtSeconds: 2 ** 31 + 0.123,
      claims: { scope: 'c'.repeat(8_192) },
    },
    epoch: 'e'.repeat(64),
    generation: 'g'.repeat(128),
  };
}

describe('the limits of messages', () => {
  it.each(NAMES)('let the largest request of %s through', (name) => {
    const request = LARGEST[name];
    expect(operations[name].request.parse(request)).toEqual(request);
    const room = 'client' in request ? LEFT_FOR_SCOPES : 0;
    expect(JSON.stringify(request).length + MAX_ENVELOPE_LENGTH + room).toBeLessThanOrEqual(
      MAX_MESSAGE_LENGTH,
    );
  });

  it('let a verification of the largest token into the window, and a full window into one message', () => {
    const batch = JSON.stringify({ requests: [LARGEST.verify] }).length;
    expect(batch).toBeLessThanOrEqual(SEND_WINDOW_LENGTH - MAX_ENVELOPE_LENGTH);
    expect(SEND_WINDOW_LENGTH).toBeLessThanOrEqual(MAX_MESSAGE_LENGTH);
  });

  it('let as many verdicts into one reply as come together', () => {
    const answer = { index: MAX_VERIFICATIONS, tokenHash: 'h'.repeat(43), verdict: largestVerdict() };
    const answers = Array<typeof answer>(MAX_VERDICTS_TOGETHER).fill(answer);
    const reply: VerifyReply = { nowMs: 2 ** 52, answers };
    const length = JSON.stringify(reply).length + MAX_ENVELOPE_LENGTH;
    expect(length).toBeLessThanOrEqual(MAX_REPLY_LENGTH);
  });

  it.each(Object.values(messages))('let the envelope of $pattern through', ({ pattern }) => {
    expect(pattern.length).toBeLessThanOrEqual(MAX_PATTERN_LENGTH);
    // Nest makes ids of 21 characters.
    const id = 'i'.repeat(21);
    expect(id.length).toBeLessThanOrEqual(MAX_CALL_ID_LENGTH);
    const envelope = `${MAX_MESSAGE_LENGTH}#${JSON.stringify({ pattern, data: 0, id })}`;
    expect(envelope.length).toBeLessThanOrEqual(MAX_ENVELOPE_LENGTH);
  });
});
