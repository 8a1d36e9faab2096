// RFC 6749 section 3.3.
const TOKEN = '[\\x21\\x23-\\x5B\\x5D-\\x7E]+';
const SCOPE_TOKEN = new RegExp(`^${TOKEN}$`);
const SCOPE = new RegExp(`^${TOKEN}(?: ${TOKEN})*$`);

/** Whether a text is one `scope-token`. */
export function isScopeToken(text: string): boolean {
  return SCOPE_TOKEN.test(text);
}

/** Whether a text is a `scope`: scope-tokens, one space between them. */
export function isScope(text: string): boolean {
  return SCOPE.test(text);
}
