import type { Result } from "../result.ts";
import { fail, ok } from "../result.ts";

/** Methods that a policy can name. CONNECT and TRACE never pass a proxy like ours. */
const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const;

/** A method, in any case. */
export function checkMethod(text: string): Result<string, string> {
  const known = methods.some((method) => method === text.toUpperCase());
  return known ? ok(text) : fail(`is not a method: write one of ${methods.join(", ")}`);
}

/** A header name (RFC 9110, 5.1: a token). */
export function checkHeaderName(text: string): Result<string, string> {
  return /^[!#$%&'*+.^_`|~0-9a-z-]+$/i.test(text) ? ok(text) : fail("is not a header name");
}

/** Names in lower case that no provider's entry may set: the relay or the runtime sets them for each request. */
export const ownHeaders: ReadonlySet<string> = new Set(
  "host content-length connection keep-alive transfer-encoding te trailer upgrade proxy-connection proxy-authorization cookie".split(
    " ",
  ),
);

/** An origin exactly as browsers send it, `https://app.example.com`, or `*`. */
export function checkOrigin(text: string): Result<string, string> {
  if (text === "*") return ok(text);
  if (!/^[a-z][a-z0-9+.-]*:\/\/[^\s/?#@\\]+$/i.test(text)) {
    return fail(
      "is not an origin: write scheme and host without a slash at the end, such as https://app.example.com",
    );
  }
  const origin = URL.canParse(text) ? new URL(text).origin : text;
  // Schemes of browser extensions have no origin in the URL standard and are compared as written.
  return origin === text || origin === "null"
    ? ok(text)
    : fail(`is never sent like this by a browser: write ${origin}`);
}
