import { joinPath } from "../project/policy.ts";
import type { Provider } from "../provider/provider.ts";

/**
 * Path and query of a request to a provider, as a URL parser reads them. Undefined where that reading has another scheme,
 * host, port or user than the base URL, or leaves its path: such a request must not be sent.
 */
export function upstreamPath(
  { origin, basePath }: Pick<Provider, "origin" | "basePath">,
  path: string,
  query: string,
): string | undefined {
  const url = URL.parse(origin + joinPath(basePath, path) + query);
  if (url === null || url.origin !== origin || url.username !== "" || url.password !== "") return undefined;
  const isBelow = url.pathname === basePath || url.pathname.startsWith(`${basePath}/`);
  return isBelow ? url.href.slice(origin.length) : undefined;
}
