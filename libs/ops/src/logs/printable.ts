/**
 * Makes foreign text unable to move the cursor, begin a line or change the direction: C0 and C1 controls and DEL, the separators of
 * lines and paragraphs, and the marks, embeddings, overrides and isolates of bidirectional text (Unicode UAX 9).
 */
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu;
/** Those that JSON may hold unescaped. Every log line is searched, and classes of Unicode take three times as long. */
const UNPRINTABLE_IN_JSON = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

const FIRST_FRAME = /\n {4}at /;

/** Shows unprintable characters: `␊` for a line feed, `<U+202E>` where there is no such sign. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => {
    const code = character.charCodeAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    return code === 0x7f ? '\u2421' : `<U+${hex(code).toUpperCase()}>`;
  });
}

/** Printable JSON with the same meaning. */
export function printableJson(json: string): string {
  return json.replace(UNPRINTABLE_IN_JSON, (character) => `\\u${hex(character.charCodeAt(0))}`);
}

/**
 * An error's stack, in which only frames begin a line. The message comes before them, and may imitate frames.
 *
 * @returns undefined for an error without a stack
 */
export function printableStack({ stack, message }: Error): string | undefined {
  if (stack === undefined) return undefined;
  const at = stack.indexOf(message);
  const messageEnd = at === -1 ? stack.length : at + message.length;
  const rest = FIRST_FRAME.exec(stack.slice(messageEnd));
  const end = rest === null ? stack.length : messageEnd + rest.index;
  return printable(stack.slice(0, end)) + printableFrames(stack.slice(end));
}

/** Keeps the line breaks before frames. */
export function printableFrames(text: string): string {
  return text
    .split(/\n(?= {4}at )/)
    .map(printable)
    .join('\n');
}

function hex(code: number): string {
  return code.toString(16).padStart(4, '0');
}
