import { isLoopback } from "../provider/loopback.ts";
import type { Provider, Providers } from "../provider/provider.ts";
import type { Environment } from "./sources.ts";

/** The variable that names the proxy by which the runtime sends what goes to this URL. None for hosts of `NO_PROXY`. */
function outboundProxy(baseUrl: string, environment: Environment): string | undefined {
  const { protocol, hostname, host } = new URL(baseUrl);
  const exceptions = (environment["NO_PROXY"] ?? environment["no_proxy"] ?? "").toLowerCase().split(",");
  const isDirect = exceptions
    .map((entry) => entry.trim().replace(/^\*?\./, ""))
    .some((entry) => entry === "*" || entry === host || `.${hostname}`.endsWith(`.${entry}`));
  if (isDirect) return undefined;
  const scheme = protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY";
  return [scheme, scheme.toLowerCase(), "ALL_PROXY", "all_proxy"].find((name) => environment[name]);
}

/**
 * The variable that names a proxy which would read what goes to this URL: plain http goes through it in clear text, even
 * to this machine. None for https, which goes in a tunnel.
 */
export function clearTextProxy(baseUrl: string, environment: Environment): string | undefined {
  return baseUrl.startsWith("http:") ? outboundProxy(baseUrl, environment) : undefined;
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

/** The same providers, marked where such a proxy finds their address. */
export function markProxied({ byName, defaultName }: Providers, environment: Environment): Providers {
  const marked = [...byName].map(([name, provider]) => {
    const isProxied =
      !isLoopback(provider.origin) && outboundProxy(provider.origin, environment) !== undefined;
    return [name, { ...provider, isProxied }] as const;
  });
  return { byName: new Map(marked), defaultName };
}
