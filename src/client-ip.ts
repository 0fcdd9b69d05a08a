import { isIP } from "node:net";
import ipaddr from "ipaddr.js";

/** The address a request came from, as audit, logs and limits know it: no port, IPv6 without brackets. */
export type ClientIp = (peerAddress: string, headers: Headers) => string;

/**
 * Reads the client's address. A peer within `trusted` (CIDR) is believed about whom it speaks for: the first entry of
 * `X-Forwarded-For`, else `X-Real-IP`; of any other peer, and where they hold no address, it is the peer's own
 * (contract 1.2).
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
  return (peerAddress, headers) => {
    const forwarded = headers.get("x-forwarded-for");
    const real = headers.get("x-real-ip");
    const peer = readAddress(peerAddress) ?? peerAddress;
    if ((forwarded === null && real === null) || isIP(peer) === 0 || !isTrusted(peer)) return peer;
    return readAddress(forwarded?.split(",", 1)[0] ?? "") ?? readAddress(real ?? "") ?? peer;
  };
}

/** An address without port and brackets, IPv4 in IPv6 as IPv4; undefined if it is none. */
function readAddress(text: string): string | undefined {
  const trimmed = text.trim();
  const bare = /^\[(.+)\](?::\d+)?$/.exec(trimmed)?.[1] ?? /^([\d.]+):\d+$/.exec(trimmed)?.[1] ?? trimmed;
  if (isIP(bare) === 0) return undefined;
  return bare.includes(":") ? ipaddr.process(bare).toString() : bare;
}
