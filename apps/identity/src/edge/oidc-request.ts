import { IncomingMessage } from 'node:http';
import type { FastifyRequest } from 'fastify';

/** Everything of a request's header that the authorization server may look at. */
const passedOn = ['authorization', 'auth0-forwarded-for'] as const;

/**
 * The request as oidc-provider is to see it: addressed to the issuer, whatever `Host` said, and with its parameters
 * as the form that RFC 6749 asks for, whether they came as form or as JSON.
 */
export function oidcRequest(
  request: FastifyRequest,
  issuer: string,
  form?: URLSearchParams,
): IncomingMessage {
  const { host, protocol } = new URL(issuer);
  const message = new IncomingMessage(request.raw.socket);
  message.method = request.method;
  // An absolute-form target would take the place of the issuer in every URL of the answer.
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
