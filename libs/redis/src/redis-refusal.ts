import { ErrorReply, MultiErrorReply } from 'redis';

/**
 * A server that answers, and that does not do what is asked of it, whoever asks: a former master, one that cannot write to its disk,
 * is full, loads, lacks replicas, is cut off, held up by a script, or was told to refuse us.
 */
const CODES =
  /\b(READONLY|MISCONF|NOPERM|LOADING|MASTERDOWN|NOAUTH|WRONGPASS|OOM|NOREPLICAS|BUSY|CLUSTERDOWN|MOVED|ASK|TRYAGAIN|CROSSSLOT|EXECABORT)\b/;
/** NOPERM within a script, as Redis 7.0 words it. */
const NOPERM_IN_SCRIPT = /The user executing the script can't/;
const MAX_LENGTH = 160;

/**
 * What the server says of itself in this error, be it the answer to a command, within a transaction or within a script.
 *
 * @returns undefined where the error says nothing about the server
 */
export function refusalIn(error: unknown): string | undefined {
  if (!(error instanceof ErrorReply)) return undefined;
  if (error instanceof MultiErrorReply) {
    for (const reply of error.errors()) {
      const found = refusalIn(reply);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  if (NOPERM_IN_SCRIPT.test(error.message)) return `NOPERM ${wordsOf(error)}`;
  return CODES.test(error.message) ? wordsOf(error) : undefined;
}

export function refusalCode(refusal: string): string {
  return CODES.exec(refusal)?.[1] ?? refusal;
}

/** Without the arguments that an unknown command was given. */
export function wordsOf({ message }: ErrorReply): string {
  return message.replace(/,? with args beginning with.*/s, '').slice(0, MAX_LENGTH);
}

/** What the server refuses is an answer; a connection that is lost is none. */
export function refusal(error: unknown): undefined {
  if (error instanceof ErrorReply) return undefined;
  throw error;
}
