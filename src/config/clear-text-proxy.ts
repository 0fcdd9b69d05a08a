import { isLoopback } from "../provider/loopback.ts";
import type { Provider } from "../provider/provider.ts";
import type { Environment } from "./sources.ts";

/**
 * The variable that names a proxy which would read what goes to this URL: the runtime sends plain http through it in
 * clear text, even to this machine. None for https, which goes in a tunnel, and for hosts of `NO_PROXY`.
 */
export function clearTextProxy(baseUrl: string, environment: Environment): string | undefined {
  const { protocol, hostname, host } = new URL(baseUrl);
  if (protocol !== "http:") return undefined;
  const exceptions = (environment["NO_PROXY"] ?? environment["no_proxy"] ?? "").toLowerCase().split(",");
  const isDirect = exceptions
    .map((entry) => entry.trim().replace(/^\./, ""))
    .some((entry) => entry === "*" || entry === host || `.${hostname}`.endsWith(`.${entry}`));
  if (isDirect) return undefined;
  return ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"].find((name) => environment[name]);
}

/** Warnings about providers whose key such a proxy reads; what is on this machine is always called directly. */
export function warningsOfProxy(providers: Iterable<Provider>, environment: Environment): readonly string[] {
  return [...providers].flatMap(({ name, origin }) => {
    const variable = isLoopback(origin) ? undefined : clearTextProxy(origin, environment);
    if (variable === undefined) return [];
    const advice = `use https, or add ${new URL(origin).hostname} to NO_PROXY`;
    return [
      `the proxy that ${variable} names reads keys and content on their way to provider ${name}: ${advice}`,
    ];
  });
}
