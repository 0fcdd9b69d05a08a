import { fail, ok, type Result } from "../result.ts";

/** A field of the outermost object: its name, and its JSON text where that is a scalar. */
export interface JsonField {
  readonly name: string;
  /** A string as its content, other scalars as their JSON text; undefined for objects and arrays. */
  readonly scalar: string | undefined;
}

/**
 * Lists the fields of a JSON object in their order, those that come twice included (JSON.parse would keep the
 * last and hide that). The text has to be valid JSON as a whole (RFC 8259), or nothing is told of it.
 */
export function listJsonFields(text: string): Result<readonly JsonField[], "not_an_object"> {
  try {
    const whole: unknown = JSON.parse(text);
    if (typeof whole !== "object" || whole === null || Array.isArray(whole)) return fail("not_an_object");
  } catch {
    return fail("not_an_object");
  }
  const fields: JsonField[] = [];
  let at = skipBlank(text, skipBlank(text, 0) + 1);
  while (text[at] !== "}") {
    const nameEnd = skipString(text, at);
    const name = JSON.parse(text.slice(at, nameEnd)) as string;
    const start = skipBlank(text, skipBlank(text, nameEnd) + 1);
    const end = skipValue(text, start);
    fields.push({ name, scalar: readScalar(text.slice(start, end)) });
    at = skipBlank(text, end);
    if (text[at] === ",") at = skipBlank(text, at + 1);
  }
  return ok(fields);
}

function readScalar(raw: string): string | undefined {
  if (raw.startsWith('"')) return JSON.parse(raw) as string;
  return raw.startsWith("{") || raw.startsWith("[") ? undefined : raw;
}

function skipBlank(text: string, from: number): number {
  let at = from;
  while (text[at] === " " || text[at] === "\n" || text[at] === "\r" || text[at] === "\t") at++;
  return at;
}

/** Index after the string that starts at `from`. */
function skipString(text: string, from: number): number {
  let at = from + 1;
  while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at + 1;
}

/** Index after the value that starts at `from`; the text is known to be valid JSON. */
function skipValue(text: string, from: number): number {
  let depth = 0;
  let at = from;
  do {
    const char = text[at];
    if (char === '"') {
      at = skipString(text, at);
      continue;
    }
    if (char === "{" || char === "[") depth++;
    else if (char === "}" || char === "]") depth--;
    else if (depth === 0) return skipScalar(text, at);
    at++;
  } while (depth > 0);
  return at;
}

function skipScalar(text: string, from: number): number {
  let at = from;
  while (at < text.length && !",}] \n\r\t".includes(text.charAt(at))) at++;
  return at;
}
