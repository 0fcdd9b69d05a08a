import { type Bounds, parseInteger } from "../src/config/units.ts";
import { UsageError } from "./output.ts";

/** A whole number from a flag; undefined where it is not given. @throws {UsageError} that says what it takes */
export function readCount(flag: string, text: string | undefined, bounds: Bounds = {}): number | undefined {
  if (text === undefined) return undefined;
  const value = parseInteger(text, bounds);
  if (!value.ok) throw new UsageError(`${flag} '${text.slice(0, 20)}' ${value.error}`);
  return value.value;
}

/** The same without what is undefined, as the API takes fields. */
export function given<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}
