import ipaddr from "ipaddr.js";
import type { Result } from "../result.ts";
import { fail, ok } from "../result.ts";

// Names and addresses beyond link-local under which clouds hand out credentials of the machine.
const metadataHosts = new Set([
  "metadata",
  "metadata.google.internal",
  "metadata.goog",
  "instance-data",
  "instance-data.ec2.internal",
]);
const metadataNetworks = [
  "100.100.100.200/32", // Alibaba Cloud
  "168.63.129.16/32", // Azure
  "192.0.0.192/32", // Oracle Cloud
  "fd00:ec2::254/128", // AWS
  "fd20:ce::254/128", // Google Cloud
].map((network) => ipaddr.parseCIDR(network));

/**
 * An absolute http or https address. The errors never hold the text, which may carry a password.
 * Refused: user-info, query, fragment, a bad port, backslashes and blanks (which URL parsers mend each in its way).
 */
export function parseHttpUrl(text: string): Result<URL, string> {
  if (!/^https?:\/\//i.test(text))
    return fail("is not an http or https address: write one such as https://api.example.com");
  if (/[\s\\]|[^\x21-\x7e]/.test(text))
    return fail("holds a backslash, a blank or a letter beyond ASCII: remove it");
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
    return fail("leads to a link-local address or a cloud's metadata service: name the provider's own host");
  if (/\/\//.test(url.value.pathname.replace(/\/+$/, "")))
    return fail("holds an empty path segment: remove the double slash");
  return url;
}

function isMetadataHost(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, "");
  if (!ipaddr.isValid(bare)) return metadataHosts.has(host);
  const address = ipaddr.parse(bare);
  return [address, ...embeddedIpv4(address)].some(
    (one) =>
      one.range() === "linkLocal" ||
      metadataNetworks.some(([network, bits]) => one.kind() === network.kind() && one.match(network, bits)),
  );
}

// IPv4-compatible, IPv4-mapped, NAT64 (RFC 6052) and 6to4 (RFC 3056) addresses all lead to an IPv4 address.
const embeddings = [
  { network: "::/96", at: 12 },
  { network: "::ffff:0:0/96", at: 12 },
  { network: "64:ff9b::/96", at: 12 },
  { network: "2002::/16", at: 2 },
].map(({ network, at }) => ({ range: ipaddr.IPv6.parseCIDR(network), at }));

function embeddedIpv4(address: ipaddr.IPv4 | ipaddr.IPv6): ipaddr.IPv4[] {
  if (!(address instanceof ipaddr.IPv6)) return [];
  const bytes = address.toByteArray();
  return embeddings
    .filter(({ range }) => address.match(range))
    .map(({ at }) => new ipaddr.IPv4(bytes.slice(at, at + 4)));
}
