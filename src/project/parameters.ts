import { fail, ok, type Result } from "../result.ts";

export type ParameterReason =
  | {
      readonly code: "param_not_allowed";
      readonly name: string;
      readonly value: string;
      readonly allowed: readonly string[];
    }
  | { readonly code: "invalid_request_body"; readonly detail: string };

/** A named value of a request body: its text, or undefined where it is no single value. */
export interface Field {
  readonly name: string;
  readonly scalar: string | undefined;
}

/**
 * Checks the fields of a body against `param_whitelist` (contract 2.4). What is not listed, or listed and absent,
 * passes. A listed name that comes twice or holds no scalar is refused: which one counts is the provider's guess.
 * `Model` is checked as `model`: there are providers that read names in any case (Go's encoding/json, as in Ollama).
 */
export function checkParameters(
  fields: readonly Field[],
  allowed: ReadonlyMap<string, readonly string[]>,
): Result<undefined, ParameterReason> {
  const listed = new Map([...allowed].map(([name, patterns]) => [fold(name), patterns]));
  const seen = new Set<string>();
  for (const { name, scalar } of fields) {
    const patterns = listed.get(fold(name));
    if (patterns === undefined) continue;
    if (seen.has(fold(name))) return fail({ code: "invalid_request_body", detail: `${name} is given twice` });
    seen.add(fold(name));
    if (scalar === undefined)
      return fail({ code: "invalid_request_body", detail: `${name} must be a single value, and short` });
    if (!patterns.some((pattern) => matchesGlob(pattern, scalar)))
      return fail({ code: "param_not_allowed", name, value: scalar.slice(0, 100), allowed: patterns });
  }
  return ok(undefined);
}

/** Upper case first: it brings the long s and the Kelvin sign, which such readers take for s and k, to ASCII as well. */
function fold(name: string): string {
  return name.toUpperCase().replaceAll("\u212a", "K");
}

/**
 * Shell glob over a whole text: `*` and `?` do not cross `/`, `[a-c]` and `[!a-c]` are sets.
 * Steps back to the last `*` only, so that no pattern can make it slow.
 */
export function matchesGlob(pattern: string, text: string): boolean {
  const parts = splitGlob(pattern);
  let part = 0;
  let at = 0;
  let starPart = -1;
  let starAt = 0;
  while (at < text.length || part < parts.length) {
    const current = parts[part];
    const char = text[at];
    if (current === "*") {
      starPart = part++;
      starAt = at;
    } else if (current !== undefined && char !== undefined && matchesOne(current, char)) {
      part++;
      at++;
    } else if (starPart >= 0 && starAt < text.length && text[starAt] !== "/") {
      part = starPart + 1;
      at = ++starAt;
    } else return false;
  }
  return true;
}

/** `gpt-[45]*` to `g p t - [45] *`. A bracket that is never closed is itself. */
function splitGlob(pattern: string): string[] {
  return pattern.match(/\[!?\]?[^\]]*\]|[\s\S]/g) ?? [];
}

function matchesOne(part: string, char: string): boolean {
  if (part === "?") return char !== "/";
  if (part.length === 1) return part === char;
  const isNegated = part[1] === "!";
  const set = part.slice(isNegated ? 2 : 1, -1);
  return char !== "/" && isInSet(set, char) !== isNegated;
}

function isInSet(set: string, char: string): boolean {
  for (let index = 0; index < set.length; index++) {
    const from = set.charAt(index);
    if (set[index + 1] === "-" && index + 2 < set.length) {
      if (from <= char && char <= set.charAt(index + 2)) return true;
      index += 2;
    } else if (from === char) return true;
  }
  return false;
}
