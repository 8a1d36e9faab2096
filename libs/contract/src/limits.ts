/*
 * Limits of what services and user-token say to each other. They depend on each other; limits.spec.ts computes the largest messages
 * from them. "Length" counts UTF-16 units, as the framing on TCP does.
 */

/**
 * Longest bearer token that is read: 12 KiB, about 240 permissions of 34 characters. Node accepts 16 KiB of request line and headers
 * (`http.maxHeaderSize`); the rest is for cookies, headers of browsers, and headers of proxies.
 */
export const MAX_TOKEN_LENGTH = 12_288;
/** Longest subject, in Unicode characters; OpenID Connect Core section 2 allows 255 ASCII characters. */
export const MAX_SUBJECT_LENGTH = 256;
export const MAX_REQUEST_ID_LENGTH = 64;
/** Longer ones are cut before sending. */
export const MAX_USER_AGENT_LENGTH = 256;
export const MAX_CLIENT_ID_LENGTH = 128;
export const MAX_REALM_LENGTH = 128;
/** Scopes of a registered client. */
export const MAX_SCOPES = 256;
/**
 * Longest user name and password, in bytes of UTF-8. A byte takes up to three in the form that goes upstream: both together
 * fit into the 16 KiB that authorization servers accept, with enough left for the rest of the form.
 */
export const MAX_USERNAME_BYTES = 320;
export const MAX_PASSWORD_BYTES = 4_096;
/** Longest description of an `access_denied`; longer ones are cut before sending. */
export const MAX_DENIAL_DESCRIPTION_LENGTH = 256;

/** Longest message that user-token reads; it closes a connection that sends a longer one. */
export const MAX_MESSAGE_LENGTH = 64 * 1024;
/** The same of its pattern, and of the id of a call. */
export const MAX_PATTERN_LENGTH = 64;
export const MAX_CALL_ID_LENGTH = 64;
/** Pattern, id and punctuation around the payload of a message, as the client sends it. */
export const MAX_ENVELOPE_LENGTH = 128;
/** What a service sends on one connection before user-token has read it, so that no connection keeps user-token busy with a backlog. */
export const SEND_WINDOW_LENGTH = 48 * 1024;
/** Verifications in one message. */
export const MAX_VERIFICATIONS = 128;
/** Longest reply that a service reads. */
export const MAX_REPLY_LENGTH = 1024 * 1024;
/** Verdicts in one reply: of the largest tokens, whose scopes and further claims take twice their length in a principal. */
export const MAX_VERDICTS_TOGETHER = 40;
/** Replies that user-token keeps for a service that does not read them, in bytes; then it closes the connection. */
export const MAX_UNREAD_BYTES = 2 * MAX_REPLY_LENGTH;

/** Interval of a service's pings on a connection without calls. */
export const KEEP_ALIVE_MS = 10_000;
/** user-token closes a connection without a byte after this time. */
export const IDLE_TIMEOUT_MS = 3 * KEEP_ALIVE_MS;
