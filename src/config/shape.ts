import type { Static, TSchema } from "@sinclair/typebox";
import { Value, ValueErrorType } from "@sinclair/typebox/value";
import { didYouMean } from "../nearest.ts";

/** A place in the file, from the value that was checked, and the end of a sentence about it. */
export interface ShapeFault {
  readonly code: "unknown_name" | "missing" | "invalid_value";
  readonly path: readonly string[];
  readonly message: string;
}

/** The parts of a value that have the right shape, and the faults of those that do not. */
export interface Shaped<T> {
  readonly value: Partial<T>;
  readonly faults: readonly ShapeFault[];
}

/**
 * Looks at the shape of a value that stands in a file. The description of each part of the schema ends the sentence
 * "… must be". A fault anywhere inside a key of the value leaves that key out.
 */
export function shape<T extends TSchema>(schema: T, value: unknown): Shaped<Static<T>> {
  const faults = new Map<string, ShapeFault>();
  for (const error of Value.Errors(schema, value)) {
    const path = error.path
      .split("/")
      .slice(1)
      .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
    // The first fault of a place says it best; what follows repeats it.
    if (!faults.has(error.path))
      faults.set(error.path, { path, ...sentence(error.type, error.schema, path) });
  }
  const wrong = new Set([...faults.values()].map(({ path }) => path[0]));
  const isMap = typeof value === "object" && value !== null && !Array.isArray(value);
  const right = isMap ? Object.entries(value).filter(([key]) => !wrong.has(key)) : [];
  return { value: Object.fromEntries(right) as Partial<Static<T>>, faults: [...faults.values()] };
}

function sentence(type: ValueErrorType, schema: TSchema, path: readonly string[]): Omit<ShapeFault, "path"> {
  if (type === ValueErrorType.ObjectAdditionalProperties) {
    const known = Object.keys((schema["properties"] ?? {}) as object);
    return { code: "unknown_name", message: `is not a known key${didYouMean(path.at(-1) ?? "", known)}` };
  }
  if (type === ValueErrorType.ObjectRequiredProperty) {
    return { code: "missing", message: `is missing: it must be ${schema.description ?? "set"}` };
  }
  return { code: "invalid_value", message: `must be ${schema.description ?? "something else"}` };
}
