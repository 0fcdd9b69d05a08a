const untrusted =
  "the provider's certificate is from an authority that is not trusted: name that by tls.ca_file";

/** The runtime's codes of certificates that do not hold, and what to do. */
const certificateReasons: ReadonlyMap<string, string> = new Map([
  ["CERT_HAS_EXPIRED", "the provider's certificate has expired"],
  ["CERT_NOT_YET_VALID", "the provider's certificate is not valid yet: look at the clock of this machine"],
  ["CERT_REVOKED", "the provider's certificate was revoked"],
  [
    "ERR_TLS_CERT_ALTNAME_INVALID",
    "the provider's certificate is for another name: correct base_url, or set tls.server_name",
  ],
  ["SELF_SIGNED_CERT_IN_CHAIN", untrusted],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", untrusted],
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", untrusted],
  ["UNABLE_TO_GET_ISSUER_CERT", untrusted],
  ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", untrusted],
  ["CERT_SIGNATURE_FAILURE", untrusted],
  [
    "EPROTO",
    "no TLS came about: the provider speaks none there, or nothing but HTTP/2, or demands a certificate (tls.cert_file) that it trusts",
  ],
]);

/** Why no answer came, for the log; without the URL that ends the runtime's messages, as a key may stand in it. */
export function reasonOf(error: unknown): string {
  const { code, message = String(error) } = (error ?? {}) as { code?: unknown; message?: string };
  const reason = certificateReasons.get(String(code));
  return reason === undefined ? message.replace(/ fetching ".*$/s, "") : `${reason} (${String(code)})`;
}
