import { IncomingMessage } from 'node:http';

export interface ForwardedRequest {
  readonly raw: IncomingMessage;
  /** The peer's, or the one that a trusted proxy names. */
  readonly address: string;
  /** The parameters, whether they came as form or as JSON. */
  readonly form?: URLSearchParams | undefined;
}

/**
 * The request for oidc-provider: addressed to the issuer, whatever `Host` was, and with its parameters as a form, as RFC 6749
 * requires.
 *
 * @param passedOn names of all headers that the authorization server may read
 */
export function oidcRequest(
  { raw, address, form }: ForwardedRequest,
  issuer: string,
  passedOn: readonly string[],
): IncomingMessage {
  const { host, protocol } = new URL(issuer);
  const message = new IncomingMessage(raw.socket);
  message.method = raw.method;
  // An absolute-form target would replace the issuer in every URL of the answer.
  message.url = raw.url?.startsWith('/') ? raw.url : '/';
  message.headers = {
    host,
    accept: 'application/json',
    'x-forwarded-proto': protocol.slice(0, -1),
    'x-forwarded-for': address,
  };
  for (const name of passedOn) {
    const value = raw.headers[name];
    if (typeof value === 'string') message.headers[name] = value;
  }
  if (form) {
    const body = Buffer.from(form.toString());
    message.headers['content-type'] = 'application/x-www-form-urlencoded';
    message.headers['content-length'] = String(body.length);
    message.push(body);
  }
  message.push(null);
  message.complete = true;
  return message;
}
