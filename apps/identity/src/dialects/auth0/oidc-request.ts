import { IncomingMessage } from 'node:http';
import type { FastifyRequest } from 'fastify';

/** All parts of a request's header that the authorization server may read. */
const passedOn = ['authorization', 'auth0-forwarded-for'] as const;

/**
 * The request for oidc-provider: addressed to the issuer, whatever `Host` was, and with its parameters as a form, as RFC 6749
 * requires, whether they came as form or as JSON.
 */
export function oidcRequest(
  request: FastifyRequest,
  issuer: string,
  form?: URLSearchParams,
): IncomingMessage {
  const { host, protocol } = new URL(issuer);
  const message = new IncomingMessage(request.raw.socket);
  message.method = request.method;
  // An absolute-form target would replace the issuer in every URL of the answer.
  message.url = request.raw.url?.startsWith('/') ? request.raw.url : '/';
  message.headers = {
    host,
    accept: 'application/json',
    'x-forwarded-proto': protocol.slice(0, -1),
    'x-forwarded-for': request.ip,
  };
  for (const name of passedOn) {
    const value = request.headers[name];
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
