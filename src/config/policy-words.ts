import type { Result } from "../result.ts";
import { fail, ok } from "../result.ts";

/** An entry of an allow-list (contract 2.3); what it matches is decided by project/policy.ts. */
export function checkEndpoint(text: string): Result<string, string> {
  if (!text.startsWith("/")) return fail("does not start with a slash");
  if (text === "/" || text === "/$") return fail('is not a path of an API: write "/*" for everything');
  if (/[?#\s\\]|[^\x21-\x7e]/.test(text))
    return fail("holds a query, fragment, blank, backslash or a letter beyond ASCII");
  if (text.slice(0, -1).includes("$"))
    return fail("holds a $ before its end, where alone it has a meaning (exact match)");
  const segments = text.replace(/\$$/, "").replace(/\/$/, "").split("/").slice(1);
  if (segments.some((segment) => segment === "" || segment === "." || segment === "..")) {
    return fail("holds an empty or dot segment, which no request has");
  }
  return ok(text);
}

/** A shell glob (contract 2.4): `*`, `?`, `[a-z]`, `[!a-z]`. What it matches is decided by project/parameters.ts. */
export function checkGlob(text: string): Result<string, string> {
  if (text.includes("\\")) return fail("holds a backslash: write [*] for a sign that stands for itself");
  for (let index = text.indexOf("["); index >= 0; index = text.indexOf("[", index)) {
    const [whole = "", set = ""] = /^\[!?(\]?[^\]]*)\]/.exec(text.slice(index)) ?? [];
    if (set === "") return fail("holds a [ without its ], or nothing between them");
    if (set.startsWith("^")) return fail("holds [^: write [! for all but these");
    if ([...set.matchAll(/(.)-(.)/g)].some(([, from = "", to = ""]) => from > to)) {
      return fail("holds a range that runs backwards");
    }
    index += whole.length;
  }
  return ok(text);
}
