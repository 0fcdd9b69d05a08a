/** What a request asks for, as both planes read it. */
export interface Target {
  /** From the slash on, dot segments resolved by the runtime, percent-encodings as sent; no query, no fragment. */
  readonly path: string;
  /** With its `?`, or "". */
  readonly query: string;
}

/**
 * The one reading of `request.url`. The runtime gives a bare path where the Host line is no host, and the authority
 * alone for CONNECT (bun.md section 3): neither may be dispatched.
 */
export function readTarget(url: string): Target | "bad_host" {
  const authority = url.indexOf("://");
  if (authority < 0 || url.charCodeAt(0) === 0x2f) return "bad_host";
  const start = url.indexOf("/", authority + 3);
  if (start < 0) return "bad_host";
  const hash = url.indexOf("#", start);
  const end = hash < 0 ? url.length : hash;
  const mark = url.indexOf("?", start);
  if (mark < 0 || mark > end) return { path: url.slice(start, end), query: "" };
  return { path: url.slice(start, mark), query: url.slice(mark, end) };
}

/** Whether the Host line is there once; RFC 9112 section 3.2 wants 400 for two. The runtime joins them with a comma. */
export function isOneHost(host: string | null): boolean {
  return host !== null && host !== "" && !host.includes(",");
}

const reserved = ["/manage", "/admin", "/health", "/ready", "/live", "/docs"];

/** Paths that we answer ourselves; all others are the data plane's (product.md, Routes). */
export function isReserved(path: string, { metricsPath }: { readonly metricsPath: string }): boolean {
  return reserved.some((base) => isUnder(path, base)) || isUnder(path, metricsPath);
}

/** Whether a path is `base` or goes on from it with a slash. */
export function isUnder(path: string, base: string): boolean {
  return path.startsWith(base) && (path.length === base.length || path.charCodeAt(base.length) === 0x2f);
}

/** A path without the slash at its end: `/manage/projects/` is the collection as well (contract 1.1). */
export function withoutSlash(path: string): string {
  return path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
}
