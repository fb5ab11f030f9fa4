/** What a TLS client trusts and shows, as PEM texts. Without `ca` the authorities that Node knows are trusted. */
export interface TlsTrust {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** OpenSSL's and Node's codes, and what to do; `at` stands for the settings that the connection came from. */
const ADVICE: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is signed by itself: name it in at.caFile",
  SELF_SIGNED_CERT_IN_CHAIN:
    "its certificate is signed by an authority not known here: name that in at.caFile",
  UNABLE_TO_GET_ISSUER_CERT:
    "its certificate is signed by an authority not known here: name that in at.caFile",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    "its certificate is signed by an authority not known here: name that in at.caFile",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    "its certificate is signed by an authority not known here: name that in at.caFile",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for another name: put the name it is for in at.url",
  CERT_HAS_EXPIRED: "its certificate has expired, or this machine's clock is wrong",
  CERT_NOT_YET_VALID: "its certificate is not valid yet, or this machine's clock is wrong",
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    "it wants a client certificate: name one in at.certFile and at.certKeyFile",
  ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE:
    "it refuses the handshake: does it want at.certFile and at.certKeyFile?",
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: "it does not know the authority that signed at.certFile",
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: "it refuses the certificate in at.certFile",
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED: "the certificate in at.certFile has expired",
  ERR_SSL_WRONG_VERSION_NUMBER: "it does not speak TLS there: another port, or no TLS in at.url?",
  EPROTO: "it does not speak TLS as this does: another port, or no TLS in at.url?",
};

/**
 * Why a connection failed, in words that name the setting where it is one's fault.
 * @param at the settings of the connection, such as `service`.
 */
export function connectionReason(error: unknown, at: string): string {
  if (!(error instanceof Error)) return String(error);
  const inner = error.cause instanceof Error ? error.cause : error;
  const { code } = inner as NodeJS.ErrnoException;
  const advice = code === undefined ? undefined : ADVICE[code];
  if (advice !== undefined) return `${advice.replaceAll("at.", `${at}.`)} (${code})`;
  // Node tells of several addresses that all failed with an empty text.
  if (inner instanceof AggregateError) return connectionReason(inner.errors[0], at);
  return inner.message || code || inner.name;
}
