import { isIP } from "node:net";
import { reachOf } from "../ip-reach.ts";
import type { Result } from "../result.ts";
import { fail, ok } from "../result.ts";

// Under these names clouds hand out the credentials of a machine.
const metadataHosts = new Set([
  "metadata",
  "metadata.google.internal",
  "metadata.goog",
  "instance-data",
  "instance-data.ec2.internal",
]);

/**
 * An absolute http or https address. The errors never hold the text, which may carry a password.
 * Refused: user-info, query, fragment, a bad port, backslashes and blanks (which URL parsers mend each in its way).
 */
export function parseHttpUrl(text: string): Result<URL, string> {
  if (!/^https?:\/\//i.test(text))
    return fail("is not an http or https address: write one such as https://api.example.com");
  if (/[\s\\]|[^\x21-\x7e]/.test(text))
    return fail(
      "holds a backslash, a blank or a letter beyond ASCII: remove it, and write such a name as xn--…",
    );
  if (/^[^/]*\/\/[^/?#]*@/.test(text))
    return fail("holds user-info (something before an @): remove it, keys belong elsewhere");
  if (/[?#]/.test(text)) return fail("holds a query or a fragment: end it with the path");
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || url.port === "0")
    return fail("has no valid host and port: write one such as https://api.example.com:8443");
  return ok(url);
}

/**
 * An address that requests with provider keys may go to: as `parseHttpUrl`, and neither link-local nor a cloud's
 * metadata service, in whatever spelling (SEC-103). Loopback and private networks are the operator's own choice.
 */
export function parseBaseUrl(text: string): Result<URL, string> {
  const url = parseHttpUrl(text);
  if (!url.ok) return url;
  const host = url.value.hostname.replace(/\.$/, "");
  if (isMetadataHost(host))
    return fail(
      "leads to a link-local or multicast address or a cloud's metadata service: name the provider's own host",
    );
  if (/\/\//.test(url.value.pathname.replace(/\/+$/, "")))
    return fail("holds an empty path segment: remove the double slash");
  return url;
}

function isMetadataHost(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, "");
  return isIP(bare) === 0 ? metadataHosts.has(host) : reachOf(bare) === "never";
}
