/** Codes of Node (X.509 verification) and OpenSSL, and their meaning for the other side. */
const REASONS: readonly (readonly [RegExp, string])[] = [
  [
    /^(UNABLE_TO_GET_ISSUER_CERT(_LOCALLY)?|UNABLE_TO_VERIFY_LEAF_SIGNATURE|SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|CERT_SIGNATURE_FAILURE|INVALID_CA|CERT_UNTRUSTED)$/,
    'its certificate is signed by none of our USER_TOKEN_TLS_CA',
  ],
  [/^CERT_HAS_EXPIRED$/, 'its certificate has expired (or our clock is ahead)'],
  [/^CERT_NOT_YET_VALID$/, 'its certificate is not valid yet (or our clock is behind)'],
  [/^INVALID_PURPOSE$/, 'its certificate is not for this side of a connection (extended key usage)'],
  [/^CERT_REVOKED$/, 'its certificate was revoked'],
  [/^ERR_TLS_CERT_ALTNAME_INVALID$/, 'its certificate is for other host names than that of USER_TOKEN_URL'],
  [/PEER_DID_NOT_RETURN_A_CERTIFICATE/, 'it showed no certificate'],
  [
    /ALERT_(CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE|BAD_CERTIFICATE|UNKNOWN_CA|CERTIFICATE_\w+|ACCESS_DENIED)/,
    'it refused our USER_TOKEN_TLS_CERT',
  ],
  [
    /WRONG_VERSION_NUMBER|HTTP_REQUEST|PACKET_LENGTH_TOO_LONG|UNEXPECTED_MESSAGE|RECORD_LAYER_FAILURE/,
    'it does not speak TLS',
  ],
  [
    /UNSUPPORTED_PROTOCOL|NO_PROTOCOLS_AVAILABLE|PROTOCOL_VERSION|NO_SHARED_CIPHER/,
    'it speaks no version of TLS, or no cipher, that we do',
  ],
];

/**
 * The reason why TLS failed, as far as the error code tells.
 *
 * @returns words about the other side; undefined for another kind of failure
 */
export function explainTlsFailure(code: unknown): string | undefined {
  if (typeof code !== 'string') return undefined;
  const known = REASONS.find(([pattern]) => pattern.test(code));
  if (known) return `${known[1]} (${code})`;
  return /^ERR_(SSL|TLS)_/.test(code) ? `TLS was not agreed on (${code})` : undefined;
}
