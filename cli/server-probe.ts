import { get as getHttp } from "node:http";
import { get as getHttps } from "node:https";
import { parseAddress } from "../src/config/units.ts";
import { fail, ok, type Result } from "../src/result.ts";

/** Why there is no status: nothing listens there, or what listens does not answer in time. */
export type Silence = "unreachable" | "timeout";

/**
 * Status of a GET, without a body, redirects or proxies: `fetch` would send even a loopback address through
 * HTTP_PROXY.
 */
export async function probe(url: string, timeoutMs: number): Promise<Result<number, Silence>> {
  const signal = AbortSignal.timeout(timeoutMs);
  const get = url.startsWith("https:") ? getHttps : getHttp;
  return await new Promise((resolve) => {
    const request = get(url, { agent: false, signal }, (response) => {
      resolve(ok(response.statusCode ?? 0));
      request.destroy();
    });
    request.on("error", () => resolve(fail(signal.aborted ? "timeout" : "unreachable")));
  });
}

/**
 * The URL at which this machine reaches a server that listens on `address` (LISTEN_ADDR); all interfaces means
 * loopback. The error is the end of a sentence that starts with the address.
 */
export function localUrl(address: string): Result<string, string> {
  const parsed = parseAddress(address);
  if (!parsed.ok) return parsed;
  const { hostname, port } = parsed.value;
  const host = hostname === "0.0.0.0" ? "127.0.0.1" : hostname === "::" ? "::1" : hostname;
  return ok(`http://${host.includes(":") ? `[${host}]` : host}:${port}`);
}
