import { printable, printableJson } from './printable.js';

/** The log fields of a request. */
export interface AccessFields {
  readonly method: string;
  /** The pattern, not the URL: a query can hold secrets. */
  readonly route: string;
  readonly status: number;
  readonly durationMs: number;
  readonly requestId: string;
}

/** The fields on each line of a logger. */
export interface Bindings {
  readonly service?: string;
}

/** Makes a complete line from the fields of a request. */
export type AccessLine = (fields: AccessFields) => string;

/** The level `info`, as pino writes it. */
const INFO = 30;

/** A line of JSON, the same as pino's but in a fraction of the time, because all fields are known. */
export function jsonAccessLine(bindings: Bindings): AccessLine {
  const bound = fieldsOf(bindings, printableJson);
  const partsOf = partsByRoute((method, route) => ({
    head: `"method":${quoted(method)},"route":${quoted(route)},"status":`,
    message: `"msg":${quoted(`${method} ${route} `).slice(0, -1)}`,
  }));
  return ({ method, route, status, durationMs, requestId }) => {
    const { head, message } = partsOf(method, route);
    return `{"level":${INFO},"time":${Date.now()},${bound}${head}${status},"durationMs":${durationMs},"requestId":${quoted(requestId)},${message}${status}"}\n`;
  };
}

function quoted(text: string): string {
  return printableJson(JSON.stringify(text));
}

/** A line for people, the same as pino-pretty's. */
export function readableAccessLine({ service, ...bindings }: Bindings, colorize: boolean): AccessLine {
  const bound = fieldsOf(bindings, printable);
  const [info, text, grey] = colorize ? COLORS : PLAIN;
  const partsOf = partsByRoute((method, route) => ({
    head: `${grey.begin}{${bound}"method":${shown(method)},"route":${shown(route)},"status":`,
    message: `${info.begin}INFO${info.end}: ${text.begin}[${service}] ${printable(`${method} ${route}`)} `,
  }));
  return ({ method, route, status, durationMs, requestId }) => {
    const { head, message } = partsOf(method, route);
    return `[${timeOfDay()}] ${message}${status}${text.end} ${head}${status},"durationMs":${durationMs},"requestId":${shown(requestId)}}${grey.end}\n`;
  };
}

function shown(text: string): string {
  return JSON.stringify(printable(text));
}

const PLAIN = [
  { begin: '', end: '' },
  { begin: '', end: '' },
  { begin: '', end: '' },
] as const;

/** Green, cyan and grey, as pino-pretty colours levels, messages and fields. */
const COLORS = [
  { begin: '\u001b[32m', end: '\u001b[39m' },
  { begin: '\u001b[36m', end: '\u001b[39m' },
  { begin: '\u001b[90m', end: '\u001b[39m' },
] as const;

/** In the zone of this machine, to the millisecond. */
function timeOfDay(): string {
  const now = new Date();
  const two = (part: number) => (part < 10 ? `0${part}` : part);
  const ms = String(now.getMilliseconds()).padStart(3, '0');
  return `${two(now.getHours())}:${two(now.getMinutes())}:${two(now.getSeconds())}.${ms}`;
}

/** Each followed by a comma. */
function fieldsOf(bindings: object, toPrintable: (json: string) => string): string {
  const json = JSON.stringify(bindings).slice(1, -1);
  return json === '' ? '' : `${toPrintable(json)},`;
}

/** The part of a line about a route is the same for all its requests. */
interface Parts {
  readonly head: string;
  readonly message: string;
}

/** Routes come from the application, but methods come from clients. */
const MAX_METHODS = 64;

function partsByRoute(
  make: (method: string, route: string) => Parts,
): (method: string, route: string) => Parts {
  const methods = new Map<string, Map<string, Parts>>();
  return (method, route) => {
    let routes = methods.get(method);
    if (routes === undefined) {
      if (methods.size === MAX_METHODS) return make(method, route);
      methods.set(method, (routes = new Map<string, Parts>()));
    }
    let parts = routes.get(route);
    if (parts === undefined) routes.set(route, (parts = make(method, route)));
    return parts;
  };
}
