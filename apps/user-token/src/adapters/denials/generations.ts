import { randomBytes } from 'node:crypto';
import { formerName, patient, type KeyValues, type ServerFacts, type Write } from '@app/store';
import {
  formatGeneration,
  former,
  GENERATION_KEY,
  isGenerationOf,
  parseGeneration,
  type StoreGeneration,
} from '@app/contract';
import { LRUCache } from 'lru-cache';

/** The times from which on a store is complete. */
export type Knowledge = Pick<StoreGeneration, 'knownSinceSeconds' | 'firstSightsSinceSeconds'>;

/** A store's own statement about its generation. */
export interface FoundGeneration {
  /** The server that was asked. */
  readonly serverId: string | undefined;
  readonly value: string | null;
  /** The value in versions without prefixes. */
  readonly formerValue: string | null;
  /** The value, if it is a generation of this server, and not one that was left before. */
  readonly valid: string | undefined;
}

const CALL_MS = 1_000;
const MAX_LEFT = 1_000;
const MARK = 'merging:';
const TTL_MS = 10 * 365 * 24 * 3600 * 1000;
const FORMER_KEY = formerName(former.GENERATION_KEY);
/** The former generation's end: guards of those versions ask user-token from then on. */
const FORMER_IS_TAKEN_OVER: Write = { op: 'set', key: FORMER_KEY, value: 'taken over', ttlMs: TTL_MS };

/** The generation of the store that this process has brought its copy to, and the way to a new one (ADR 8). */
export class Generations {
  private entered: string | undefined;
  private known: Knowledge | undefined;
  /** A store in an earlier generation lacks all revocations since. */
  private readonly left = new LRUCache<string, true>({ max: MAX_LEFT });

  constructor(private readonly store: KeyValues & ServerFacts) {}

  /** Undefined before the first one, and for a server without an identity, which nothing can vouch for. */
  get current(): string | undefined {
    return this.entered;
  }

  get serverId(): string | undefined {
    return parseGeneration(this.entered)?.serverId;
  }

  get knowledge(): Knowledge | undefined {
    return this.known;
  }

  /** @param value of {@link GENERATION_KEY}, read together with the data to be trusted, from the server `serverId` */
  trusts(value: string | null | undefined, serverId: string | undefined): boolean {
    return value === this.entered && isGenerationOf(value, serverId);
  }

  /** Takes the knowledge as valid for this process, before its store has a generation. */
  know(knowledge: Knowledge): void {
    this.known = knowledge;
  }

  enter(generation: string | undefined, knowledge: Knowledge): void {
    if (this.entered !== undefined && this.entered !== generation) this.left.set(this.entered, true);
    this.entered = generation;
    this.known = knowledge;
  }

  async find(): Promise<FoundGeneration> {
    const { serverId } = this.store;
    const keys = [GENERATION_KEY, FORMER_KEY];
    const [value = null, formerValue = null] = await this.store.getMany(keys, patient(CALL_MS));
    const valid = isGenerationOf(value, serverId) && !this.left.has(value) ? value : undefined;
    return { serverId, value, formerValue, valid };
  }

  async stillStands(generation: string): Promise<boolean> {
    const [found] = await this.store.getMany([GENERATION_KEY], patient(CALL_MS));
    return found === generation && isGenerationOf(found, this.store.serverId);
  }

  /**
   * Puts a mark in place of the generation: a flush of the store during the work on it removes the mark. The mark of another replica
   * serves as well.
   *
   * @returns the present value; undefined when another replica was quicker
   */
  async mark(value: string | null): Promise<string | null | undefined> {
    if (this.store.serverId === undefined || value?.startsWith(MARK)) return value;
    const marked = `${MARK}${randomBytes(9).toString('base64url')} ${value ?? ''}`;
    return (await this.replace(value, marked)) ? marked : undefined;
  }

  /** @returns the new generation, now that of the store; undefined when another replica was quicker */
  async renew(value: string | null, serverId: string, knowledge: Knowledge): Promise<string | undefined> {
    const id = randomBytes(9).toString('base64url');
    const generation = formatGeneration({ ...knowledge, serverId, id });
    return (await this.replace(value, generation, FORMER_IS_TAKEN_OVER)) ? generation : undefined;
  }

  private replace(value: string | null, next: string, ...more: readonly Write[]): Promise<boolean> {
    return this.store.writeAllIfEqual(
      GENERATION_KEY,
      value,
      [{ op: 'set', key: GENERATION_KEY, value: next, ttlMs: TTL_MS }, ...more],
      patient(CALL_MS),
    );
  }
}

/** The generation of a found value, or the one that its mark replaced. */
export function generationIn(value: string | null): StoreGeneration | undefined {
  return parseGeneration(value?.startsWith(MARK) ? value.slice(value.indexOf(' ') + 1) : value);
}

/** Whether a store without a generation holds only data of versions without prefixes. */
export function isFormerStore({ value, formerValue }: FoundGeneration): boolean {
  return generationIn(formerValue) !== undefined && (value === null || value.startsWith(MARK));
}
