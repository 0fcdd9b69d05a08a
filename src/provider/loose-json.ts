/** An object of somebody else's JSON: nothing is known of its fields. */
export type LooseObject = Readonly<Record<string, unknown>>;

const noFields: LooseObject = {};

export function isObject(value: unknown): value is LooseObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The object; one without fields for any other value. */
export function objectOf(value: unknown): LooseObject {
  return isObject(value) ? value : noFields;
}

/** The array; an empty one for any other value. */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The string; an empty one for any other value. */
export function stringOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** The value of a JSON text; undefined for a text that is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The JSON text of a parsed value; empty for one that is nested too deep to be written. */
export function jsonText(value: unknown): string {
  try {
    return JSON.stringify(value) ?? "";
  } catch {
    return "";
  }
}

const encoder = new TextEncoder();

/** As many whole characters from the start of a text as have room in so many bytes of UTF-8. */
export function cutText(text: string, bytesMax: number): string {
  if (text.length * 3 <= bytesMax) return text;
  return text.slice(0, encoder.encodeInto(text, new Uint8Array(bytesMax)).read);
}
