import ipaddr from "ipaddr.js";

/**
 * Where an address leads: to the world, to this machine and the networks around it, or to where no provider is and a
 * request with a key must never go (link-local, multicast, a cloud's metadata service).
 */
export type Reach = "public" | "private" | "never";

type Address = ipaddr.IPv4 | ipaddr.IPv6;

// Beyond link-local, clouds hand out the credentials of a machine under these.
const metadataNetworks = [
  "100.100.100.200/32", // Alibaba Cloud
  "168.63.129.16/32", // Azure
  "192.0.0.192/32", // Oracle Cloud
  "fd00:ec2::254/128", // AWS
  "fd20:ce::254/128", // Google Cloud
].map((network) => ipaddr.parseCIDR(network));

// IPv4-compatible, IPv4-mapped, NAT64 (RFC 6052) and 6to4 (RFC 3056) addresses all lead to an IPv4 address.
const embeddings = [
  { network: "::/96", at: 12 },
  { network: "::ffff:0:0/96", at: 12 },
  { network: "64:ff9b::/96", at: 12 },
  { network: "2002::/16", at: 2 },
].map(({ network, at }) => ({ range: ipaddr.IPv6.parseCIDR(network), at }));

const nowhere = new Set(["broadcast", "multicast", "linkLocal"]);

/** By the registries of special addresses (RFC 6890), IPv4 inside IPv6 included; what is no address leads nowhere. */
export function reachOf(text: string): Reach {
  if (!ipaddr.isValid(text)) return "never";
  const written = ipaddr.parse(text);
  const address = embeddedIpv4(written) ?? written;
  const range = address.range();
  if (nowhere.has(range) || isMetadata(address)) return "never";
  return range === "unicast" ? "public" : "private";
}

function isMetadata(address: Address): boolean {
  return metadataNetworks.some(
    ([network, bits]) => address.kind() === network.kind() && address.match(network, bits),
  );
}

function embeddedIpv4(address: Address): ipaddr.IPv4 | undefined {
  if (!(address instanceof ipaddr.IPv6)) return undefined;
  const embedding = embeddings.find(({ range }) => address.match(range));
  if (embedding === undefined) return undefined;
  return new ipaddr.IPv4(address.toByteArray().slice(embedding.at, embedding.at + 4));
}
