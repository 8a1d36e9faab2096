// RFC 8259 and RFC 9110 section 8: bodies of requests, read when a route asks for them.
import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { parse as parseForm } from 'node:querystring';
import {
  BadRequestException,
  HttpException,
  PayloadTooLargeException,
  UnsupportedMediaTypeException,
} from '@nestjs/common';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { FormBody, notJson, notValid } from './input.pipe.js';

const FORM = 'application/x-www-form-urlencoded';
const JSON_TYPE = /^application\/(?:[^/]+\+)?json$/;

/** The value of `request.body` until its first access. */
const UNREAD = Symbol('UNREAD');

/** An escape of JSON; the group is one half of a surrogate pair without the other. */
const ESCAPE = /\\(?:ud[89ab][\da-f]{2}\\ud[c-f][\da-f]{2}|(ud[89a-f])|[^])/gi;

/** The bytes of a body, or why there are none. */
type Arrived = Buffer | HttpException;

type JsonParser = ReturnType<FastifyInstance['getDefaultJsonParser']>;

/**
 * Makes `request.body` the value of JSON or of a form ({@link FormBody}), and `request.rawBody` its bytes, both on first access: a
 * body is refused (400, 413, 415) when it is read. For a route that does not read it, no body can be wrong, and it is discarded. A
 * parser that the application adds for a media type replaces this.
 */
export function readBodiesOnDemand(fastify: FastifyInstance): void {
  const parseJson = fastify.getDefaultJsonParser('error', 'error');
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('*', (request, payload, done) => {
    receive(request, payload, (error, arrived) => {
      if (error) return done(new BadRequestException(undefined, { cause: error }));
      offer(request, arrived, parseJson);
      done(null, UNREAD);
    });
  });
}

/** Fastify would answer an invalid type (`undefined`, nothing) by itself, even if no route reads the body. */
export function ignoreMalformedType(request: FastifyRequest): void {
  const { headers } = request.raw;
  if (headers['content-type'] !== undefined && request.mediaType === undefined)
    delete headers['content-type'];
}

/** An unread body is not waited for: Node continues to receive it, within the time limit of a request. */
function receive(
  request: FastifyRequest,
  payload: IncomingMessage,
  done: (error: Error | null, arrived: Arrived) => void,
): void {
  const { mediaType = '', routeOptions, headers } = request;
  const limitBytes = routeOptions.bodyLimit;
  // Percent-encoding makes three bytes of one: a form may hold as much text as JSON.
  const longestBytes = mediaType === FORM ? 3 * limitBytes : limitBytes;
  const chunks: Buffer[] = [];
  let length = 0;
  const finish = (error: Error | null, arrived: Arrived) => {
    payload.off('data', onData).off('end', onEnd).off('error', onError).resume();
    done(error, arrived);
  };
  const onData = (chunk: Buffer) => {
    length += chunk.length;
    if (length > longestBytes) return finish(null, tooLarge(limitBytes));
    chunks.push(chunk);
  };
  const onEnd = () => {
    const bytes = Buffer.concat(chunks, length);
    const decodedLength = mediaType === FORM ? length - 2 * percentSignsIn(bytes) : length;
    finish(null, decodedLength > limitBytes ? tooLarge(limitBytes) : bytes);
  };
  const onError = (error: Error) => finish(error, Buffer.alloc(0));
  if (mediaType !== FORM && !JSON_TYPE.test(mediaType)) return finish(null, notJson());
  if ((headers['content-encoding'] ?? 'identity') !== 'identity') return finish(null, encoded());
  if (Number(headers['content-length']) > longestBytes) return finish(null, tooLarge(limitBytes));
  payload.on('data', onData).on('end', onEnd).on('error', onError);
}

function offer(request: FastifyRequest, arrived: Arrived, parseJson: JsonParser): void {
  const bytes = () => {
    if (arrived instanceof HttpException) throw arrived;
    return arrived;
  };
  const read = () => (request.mediaType === FORM ? readForm(bytes()) : readJson(request, bytes(), parseJson));
  let body: unknown = UNREAD;
  Object.defineProperties(request, {
    rawBody: { get: bytes, configurable: true },
    body: {
      get: () => (body === UNREAD ? (body = read()) : body),
      set: (value: unknown) => (body = value),
      enumerable: false,
    },
  });
}

/** Lenient, as usual for forms; the raw bytes show whether it is UTF-8. */
function readForm(bytes: Buffer): FormBody {
  const { __proto__: _polluting, ...parameters } = parseForm(bytes.toString(), '&', '=', { maxKeys: 0 });
  return Object.assign(new FormBody(), parameters);
}

/** The last of two members with one name counts, as usual in JavaScript; a byte order mark is ignored (RFC 8259 section 8.1). */
function readJson(request: FastifyRequest, bytes: Buffer, parseJson: JsonParser): unknown {
  if (bytes.length === 0) return undefined;
  const json = bytes.toString();
  if (!isUtf8(bytes) || hasLoneSurrogate(json)) throw malformed();
  let parsed: { readonly error: Error | null; readonly value?: unknown } | undefined;
  void parseJson(request, json, (error, value: unknown) => {
    parsed = { error, value };
  });
  if (!parsed || parsed.error) throw malformed();
  return parsed.value;
}

/** It would be sent on as another character. */
function hasLoneSurrogate(json: string): boolean {
  return [...json.matchAll(ESCAPE)].some(([, half]) => half !== undefined);
}

function percentSignsIn(bytes: Buffer): number {
  return bytes.reduce((count, byte) => (byte === 0x25 ? count + 1 : count), 0);
}

function malformed(): HttpException {
  const message = 'must be JSON (RFC 8259), in UTF-8 and without halves of surrogate pairs';
  return new BadRequestException(notValid([{ path: 'body', message }]));
}

function encoded(): HttpException {
  return new UnsupportedMediaTypeException(
    notValid([{ path: 'Content-Encoding', message: 'must be left out, and the body not compressed' }]),
  );
}

function tooLarge(limitBytes: number): HttpException {
  const message = `must have at most ${limitBytes} bytes`;
  return new PayloadTooLargeException(notValid([{ path: 'body', message }]));
}
