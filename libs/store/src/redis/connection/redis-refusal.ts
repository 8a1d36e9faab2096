import { ErrorReply, MultiErrorReply } from 'redis';

/**
 * The codes of a server that answers, and refuses requests of every client: it is a former master, cannot write to its disk, is full,
 * loads, lacks replicas, has lost its master, is busy with a script, or gives us no rights.
 */
const CODES =
  /\b(READONLY|MISCONF|NOPERM|LOADING|MASTERDOWN|NOAUTH|WRONGPASS|OOM|NOREPLICAS|BUSY|CLUSTERDOWN|MOVED|ASK|TRYAGAIN|CROSSSLOT|EXECABORT)\b/;
/** NOPERM within a script, as Redis 7.0 words it. */
const NOPERM_IN_SCRIPT = /The user executing the script can't/;
const MAX_LENGTH = 160;

/**
 * The server's statement about itself in this error, from a command, a transaction or a script.
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

/** Without the arguments of an unknown command. */
export function wordsOf({ message }: ErrorReply): string {
  return message.replace(/,? with args beginning with.*/s, '').slice(0, MAX_LENGTH);
}

/** A refusal of the server is an answer; a lost connection is not. */
export function refusal(error: unknown): undefined {
  if (error instanceof ErrorReply) return undefined;
  throw error;
}
