import { isIP } from "node:net";
import ipaddr from "ipaddr.js";

/** Where a request came from: no ports, IPv6 without brackets and in one spelling. */
export interface Addresses {
  /** As audit, logs and limits know it. */
  readonly clientIp: string;
  /** The other end of the connection, where that is somebody else: a proxy. */
  readonly peerIp?: string;
}

export type ClientIp = (peerAddress: string, headers: Headers) => Addresses;

/**
 * Reads the client's address. A peer within `trusted` (CIDR) is believed about whom it speaks for, and so is each
 * proxy that it names, as long as that is trusted itself: the right-most address that is not trusted is the client's,
 * because what stands left of it was written by the client and can say anything (NET-106). An entry that is no
 * address ends the search: nobody knows whom it stands for. `X-Forwarded-For` goes before `Forwarded` (RFC 7239), then
 * comes `X-Real-IP`; of any other peer, and where these hold no address, it is the peer's own.
 * @throws {Error} if an entry of `trusted` is no network
 */
export function createClientIp(trusted: readonly string[]): ClientIp {
  const networks = trusted.map((network) => ipaddr.parseCIDR(network));
  const isTrusted = (address: string): boolean => {
    const parsed = ipaddr.process(address);
    return networks.some(
      ([network, bits]) => parsed.kind() === network.kind() && parsed.match(network, bits),
    );
  };
  /** Of the hops from the first to the last; undefined where the last one is no address. */
  const clientOf = (hops: readonly string[]): string | undefined => {
    let client: string | undefined;
    for (const hop of hops.toReversed()) {
      const address = readAddress(hop);
      if (address === undefined) return client;
      client = address;
      if (!isTrusted(address)) return client;
    }
    return client;
  };
  return (peerAddress, headers) => {
    const forwardedFor = headers.get("x-forwarded-for");
    const forwarded = headers.get("forwarded");
    const real = headers.get("x-real-ip");
    const peerIp = readAddress(peerAddress) ?? peerAddress;
    const isSilent = forwardedFor === null && forwarded === null && real === null;
    if (isSilent || isIP(peerIp) === 0 || !isTrusted(peerIp)) return { clientIp: peerIp };
    const clientIp =
      clientOf(splitList(forwardedFor ?? "")) ??
      clientOf(readForwarded(forwarded ?? "")) ??
      readAddress(real ?? "") ??
      peerIp;
    return clientIp === peerIp ? { clientIp } : { clientIp, peerIp };
  };
}

/** Several lines of a header come joined by commas; empty entries say nothing (RFC 9110, 5.6.1). */
function splitList(text: string): string[] {
  return text.split(",").filter((entry) => entry.trim() !== "");
}

const forwardedPair =
  /[ \t]*(?<name>[!#$%&'*+.^_`|~0-9a-z-]+)=(?:"(?<quoted>(?:[^"\\]|\\.)*)"|(?<token>[^\s",;]+))[ \t]*(?<end>[,;]|$)/iy;

/**
 * The `for` of each element of a `Forwarded` header, "" where it has none. Nothing of one that is not well formed: a
 * quote that a client leaves open must not swallow what a proxy has added behind it.
 */
function readForwarded(text: string): string[] {
  const hops = [""];
  const pair = new RegExp(forwardedPair);
  while (pair.lastIndex < text.length) {
    const groups = pair.exec(text)?.groups;
    if (groups === undefined) return [];
    if (groups["name"]?.toLowerCase() === "for")
      hops[hops.length - 1] = groups["quoted"] ?? groups["token"] ?? "";
    if (groups["end"] === ",") hops.push("");
  }
  return hops;
}

/** An address without port and brackets, IPv4 in IPv6 as IPv4; undefined if it is none. */
function readAddress(text: string): string | undefined {
  const trimmed = text.trim();
  const bare = /^\[(.+)\](?::\d+)?$/.exec(trimmed)?.[1] ?? /^([\d.]+):\d+$/.exec(trimmed)?.[1] ?? trimmed;
  if (isIP(bare) === 0 || !ipaddr.isValid(bare)) return undefined;
  return bare.includes(":") ? ipaddr.process(bare).toString() : bare;
}
