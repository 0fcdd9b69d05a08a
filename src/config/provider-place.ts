import { isIP } from "node:net";
import type { Provider } from "../provider/provider.ts";

/** Where a provider is and which addresses its name may have. */
export type Place = Pick<Provider, "origin" | "basePath" | "reach">;

/** Top-level names that are no part of the public name space (RFC 6761, 6762, 8375; `internal` by ICANN in 2024). */
const localNames = /(^|\.)(localhost|local|internal|home\.arpa)$/;

/**
 * The place that a base URL names. An address, and `localhost`, are what the operator wrote. A name that only a network of
 * one's own can know (without a dot, or below `.internal` and the like) may lead into that; all others only where
 * `isPrivate` says so, which goes before.
 */
export function placeOf({ origin, pathname, hostname }: URL, isPrivate?: boolean): Place {
  const host = hostname.replace(/\.$/, "");
  const basePath = pathname.replace(/\/+$/, "");
  if (host === "localhost" || isIP(host.replace(/^\[|\]$/g, "")) !== 0)
    return { origin, basePath, reach: "as_written" };
  const isLocal = !host.includes(".") || localNames.test(host);
  return { origin, basePath, reach: (isPrivate ?? isLocal) ? "private" : "public" };
}
