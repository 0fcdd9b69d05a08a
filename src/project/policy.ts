import { fail, ok, type Result } from "../result.ts";

/**
 * Decides whether a path may be called, by the provider's allow-list (contract 2.3).
 * An entry matches by whole segments: the identical path, or one that goes on with `/`. A `*` stands for any
 * characters within one segment, a trailing `$` makes the entry exact; so `/*` is everything.
 */
export function compileAllowList(entries: readonly string[]): (path: string) => boolean {
  const patterns = entries.map(compileEntry);
  return (path) => patterns.some((pattern) => pattern.test(path));
}

function compileEntry(entry: string): RegExp {
  const isExact = entry.endsWith("$");
  const text = (isExact ? entry.slice(0, -1) : entry).replace(/\/+$/, "");
  const source = text
    .split("/")
    .map((segment) => segment.split("*").map(RegExp.escape).join("[^/]*"))
    .join("/");
  return new RegExp(`^${source}${isExact ? "$" : "(?:/|$)"}`);
}

/** `.` or `..` as a segment, also with parameters behind it (`..;x`), which Java servers take off before they resolve it. */
const dotSegment = /(^|\/)\.{1,2}(;[^/]*)?(\/|$)/;

/**
 * The second reading of a path: with its percent-encodings resolved once, as a provider may do.
 * Dots, a backslash or a control character that come out only then could lead elsewhere than what was checked,
 * so they are refused, as are dots that come out where it is done twice; the path has no plain dot segments, the
 * runtime has resolved those.
 */
export function readDecoded(path: string): Result<string, "invalid_path"> {
  if (!/[%;]/.test(path)) return ok(path);
  const bytes = decode(path);
  const leadsElsewhere = dotSegment.test(bytes) || dotSegment.test(decode(bytes));
  if (leadsElsewhere || hasUnsafe(bytes)) return fail("invalid_path");
  return ok(bytes);
}

function decode(text: string): string {
  return text.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

function hasUnsafe(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === 0x5c || code < 0x20 || code === 0x7f) return true;
  }
  return false;
}

/**
 * Joins a provider's base path and a request path without doubling a slash or a shared `/v1`:
 * base `/openai/v1` and `/v1/models` give `/openai/v1/models`.
 */
export function joinPath(basePath: string, path: string): string {
  if (basePath === "") return path;
  const version = basePath.slice(basePath.lastIndexOf("/"));
  const isShared = /^\/v\d+[a-z0-9]*$/.test(version) && (path === version || path.startsWith(`${version}/`));
  return basePath + (isShared ? path.slice(version.length) : path);
}
