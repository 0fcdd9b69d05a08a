import { didYouMean } from "../nearest.ts";
import type { AuthScheme, DialectName } from "../provider/provider.ts";
import type { Result } from "../result.ts";
import { fail, ok } from "../result.ts";
import { checkHeaderName, ownHeaders } from "./http-words.ts";
import type { AuthEntry } from "./provider-schema.ts";
import { shapeAuth } from "./provider-schema.ts";
import type { ShapeFault } from "./shape.ts";

const byDialect: Readonly<Record<DialectName, AuthScheme>> = {
  openai: { scheme: "bearer" },
  anthropic: { scheme: "header", name: "x-api-key", prefix: "" },
  gemini: { scheme: "header", name: "x-goog-api-key", prefix: "" },
  none: { scheme: "bearer" },
};
const shortForms = new Map<string, AuthScheme>([
  ["bearer", { scheme: "bearer" }],
  ["none", { scheme: "none" }],
  ...["x-api-key", "api-key", "x-goog-api-key"].map((name): [string, AuthScheme] => [
    name,
    { scheme: "header", name, prefix: "" },
  ]),
]);

/**
 * `auth:` of a provider. Short: `bearer`, `none`, `x-api-key`, `api-key`, `x-goog-api-key`, `header:<name>`,
 * `query:<name>`. Long: `{scheme, name, prefix}`. Not set: what the dialect's own API wants.
 * Paths of faults start below `auth`.
 */
export function readAuth(value: unknown, dialect: DialectName): Result<AuthScheme, readonly ShapeFault[]> {
  if (value === undefined) return ok(byDialect[dialect]);
  if (typeof value === "string") return readShort(value);
  const { value: entry, faults } = shapeAuth(value);
  if (faults.length > 0) return fail(faults);
  return readLong(entry);
}

function readShort(text: string): Result<AuthScheme, readonly ShapeFault[]> {
  const short = shortForms.get(text);
  if (short !== undefined) return ok(short);
  const [, scheme, name] = /^(header|query):(.+)$/.exec(text) ?? [];
  if (scheme !== undefined && name !== undefined) return readLong({ scheme, name });
  const known = [...shortForms.keys(), "header:<name>", "query:<name>"];
  return fault(
    [],
    `is not a way to authenticate${didYouMean(text, known)}: write one of ${known.join(", ")}`,
  );
}

// What each scheme says beyond its own name.
const fieldsOf = new Map<string, readonly string[]>([
  ["bearer", []],
  ["none", []],
  ["header", ["name", "prefix"]],
  ["query", ["name"]],
]);

function readLong(entry: Partial<AuthEntry>): Result<AuthScheme, readonly ShapeFault[]> {
  const { scheme = "", name = "", prefix = "" } = entry;
  const fields = fieldsOf.get(scheme);
  if (fields === undefined) return fault(["scheme"], `must be ${[...fieldsOf.keys()].join(", ")}`);
  const stray = Object.keys(entry).find((key) => key !== "scheme" && !fields.includes(key));
  if (stray !== undefined) return fault([stray], `has no meaning with scheme ${scheme}: remove it`);
  if (scheme === "query") {
    return /^[\w.~-]+$/.test(name) ? ok({ scheme, name }) : fault(["name"], "must be a plain parameter name");
  }
  if (scheme !== "header") return ok({ scheme: scheme === "none" ? "none" : "bearer" });
  if (!checkHeaderName(name).ok) return fault(["name"], "must be a header name");
  if (ownHeaders.has(name.toLowerCase()))
    return fault(["name"], "is set for each request by the proxy itself: name another header");
  if (/[^\x20-\x7e]/.test(prefix)) return fault(["prefix"], "must be printable ASCII");
  return ok({ scheme, name: name.toLowerCase(), prefix });
}

function fault(path: readonly string[], message: string): Result<never, readonly ShapeFault[]> {
  return fail([{ code: "invalid_value", path, message }]);
}
