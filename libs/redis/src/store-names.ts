import { hash } from 'node:crypto';
import { StoreUnavailable } from './shared-store.js';

/** Whose data it is: one deployment against one issuer. */
export interface StoreScope {
  /** ENVIRONMENT. */
  readonly environment: string;
  /** Issuer of the tokens, with its trailing slash. */
  readonly issuer: string;
}

/**
 * What every key and channel of a deployment starts with, so that several can share one Redis without reading each other:
 * `dev:kT3xQ9aZ:`, the environment and 48 bits of the SHA-256 of the issuer.
 */
export function storePrefix({ environment, issuer }: StoreScope): string {
  return `${environment}:${hash('sha256', issuer, 'base64url').slice(0, 8)}:`;
}

const FORMER = '~';
const FORMER_CODE = FORMER.charCodeAt(0);

/**
 * The name that something had in versions which put no prefix before it. A store that was not told of such versions
 * (`OpenStoreOptions.formerNames`), or whose Redis holds nothing of theirs, has nothing under these names and writes nothing there.
 */
export function formerName(name: string): string {
  return FORMER + name;
}

export function isFormerName(name: string): boolean {
  return name.charCodeAt(0) === FORMER_CODE;
}

/** What {@link formerName} was made of; any other name as it is. */
export function bareName(name: string): string {
  return isFormerName(name) ? name.slice(FORMER.length) : name;
}

/** Names as a Redis knows them. */
export class StoreNames {
  /** Whether former names are there, and ours; undefined while Redis does not tell. */
  formerNames: boolean | undefined = false;

  /** @param database channels know no databases, so that its number stands in their names */
  constructor(
    readonly prefix: string,
    private readonly database: number,
  ) {}

  /** For a name that is no former one. */
  own(key: string): string {
    return this.prefix + key;
  }

  /**
   * @returns undefined for a former name where there are none
   * @throws {StoreUnavailable} for a former name while it is not known: a log-out of before could stand there, or another deployment's
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
