import { hash } from 'node:crypto';
import { StoreUnavailable } from './ports/store-unavailable.js';

/** Owner of the data: one deployment with one issuer. */
export interface StoreScope {
  /** ENVIRONMENT. */
  readonly environment: string;
  /** Issuer of the tokens, with its trailing slash. */
  readonly issuer: string;
}

/**
 * Prefix of every key and channel of a deployment, so that several can share one Redis without reading each other's data:
 * `dev:kT3xQ9aZ:`, the environment and 48 bits of the SHA-256 of the issuer.
 */
export function storePrefix({ environment, issuer }: StoreScope): string {
  return `${environment}:${hash('sha256', issuer, 'base64url').slice(0, 8)}:`;
}

const FORMER = '~';
const FORMER_CODE = FORMER.charCodeAt(0);

/**
 * A name in versions without prefixes. A store without `OpenStoreOptions.formerNames`, or whose Redis holds no data of such
 * versions, has nothing under these names and writes nothing there.
 */
export function formerName(name: string): string {
  return FORMER + name;
}

export function isFormerName(name: string): boolean {
  return name.charCodeAt(0) === FORMER_CODE;
}

/** The input of {@link formerName}; any other name unchanged. */
export function bareName(name: string): string {
  return isFormerName(name) ? name.slice(FORMER.length) : name;
}

/** Names as used in Redis. */
export class StoreNames {
  /** Whether there are former names of ours; undefined while Redis does not tell. */
  formerNames: boolean | undefined = false;

  /** @param database part of channel names, because channels are not bound to a database */
  constructor(
    readonly prefix: string,
    private readonly database: number,
  ) {}

  /** For a name that is not a former name. */
  own(key: string): string {
    return this.prefix + key;
  }

  /**
   * @returns undefined for a former name where there are none
   * @throws {StoreUnavailable} for a former name while this is unknown: it could hold an earlier log-out, or another deployment's
   */
  key(key: string): string | undefined {
    if (!isFormerName(key)) return this.prefix + key;
    if (this.formerNames === undefined)
      throw new StoreUnavailable('Redis does not tell whether there is something of earlier versions');
    return this.formerNames ? bareName(key) : undefined;
  }

  /** As {@link key}. */
  channel(channel: string): string | undefined {
    return isFormerName(channel) ? this.key(channel) : `${this.prefix}${channel}@${this.database}`;
  }

  /** The way back from {@link key}. */
  keyOf(name: string, key: string): string {
    return isFormerName(key) ? FORMER + name : name.slice(this.prefix.length);
  }
}
