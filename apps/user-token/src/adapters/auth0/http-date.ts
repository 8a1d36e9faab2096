// RFC 9110 section 5.6.7: dates in header fields.

/** An HTTP-date is always in GMT, said or not. A number alone would count as a year. */
export function httpDateMs(text: string | null): number | undefined {
  if (text === null || !/^[A-Z][a-z]+,? /.test(text)) return undefined;
  const ms = Date.parse(text.endsWith('GMT') ? text : `${text} GMT`);
  return Number.isNaN(ms) ? undefined : ms;
}
