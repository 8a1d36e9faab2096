// RFC 9110 section 5.6.7: dates in header fields.

/** An HTTP-date is in GMT, with or without the word. `Date.parse` would take a number for a year. */
export function httpDateMs(text: string | null): number | undefined {
  if (text === null || !/^[A-Z][a-z]+,? /.test(text)) return undefined;
  const ms = Date.parse(text.endsWith('GMT') ? text : `${text} GMT`);
  return Number.isNaN(ms) ? undefined : ms;
}
