import { get as getHttp } from "node:http";
import { get as getHttps } from "node:https";
import { parseAddress } from "../src/config/units.ts";
import { fail, ok, type Result } from "../src/result.ts";

/** Why there is no status: nothing listens there, or what listens does not answer in time. */
export type Silence = "unreachable" | "timeout";

const loopback = /^https:\/\/(localhost|127\.[\d.]+|\[::1\])(:|\/|$)/;

/**
 * Status of a GET, without a body, redirects or proxies: `fetch` would send even a loopback address through
 * HTTP_PROXY. The certificate of a server of one's own, or on this machine, need not be for the address it is reached at.
 */
export async function probe(
  url: string,
  timeoutMs: number,
  { isOwn = loopback.test(url) } = {},
): Promise<Result<number, Silence>> {
  const signal = AbortSignal.timeout(timeoutMs);
  const get = url.startsWith("https:") ? getHttps : getHttp;
  return await new Promise((resolve) => {
    const request = get(url, { agent: false, signal, rejectUnauthorized: !isOwn }, (response) => {
      resolve(ok(response.statusCode ?? 0));
      request.destroy();
    });
    request.on("error", () => resolve(fail(signal.aborted ? "timeout" : "unreachable")));
  });
}

/**
 * The URL at which this machine reaches a server that listens on `address` (LISTEN_ADDR); all interfaces means
 * loopback; `isTls` is ENABLE_TLS. The error is the end of a sentence that starts with the address.
 */
export function localUrl(address: string, isTls: boolean): Result<string, string> {
  const parsed = parseAddress(address);
  if (!parsed.ok) return parsed;
  const { hostname, port } = parsed.value;
  const host = hostname === "0.0.0.0" ? "127.0.0.1" : hostname === "::" ? "::1" : hostname;
  return ok(`${isTls ? "https" : "http"}://${host.includes(":") ? `[${host}]` : host}:${port}`);
}
