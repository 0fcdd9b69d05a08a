import type { AuthScheme, DialectName } from "../provider/provider.ts";
import type { Result } from "../result.ts";
import { fail, ok } from "../result.ts";
import { checkHeaderName } from "./http-words.ts";
import { didYouMean } from "./nearest.ts";
import type { ShapeFault } from "./provider-schema.ts";
import { shapeAuth } from "./provider-schema.ts";

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
  return readLong(entry.scheme ?? "", entry.name, entry.prefix);
}

function readShort(text: string): Result<AuthScheme, readonly ShapeFault[]> {
  const short = shortForms.get(text);
  if (short !== undefined) return ok(short);
  const [, scheme, name] = /^(header|query):(.+)$/.exec(text) ?? [];
  if (scheme !== undefined) return readLong(scheme, name, undefined);
  const known = [...shortForms.keys(), "header:<name>", "query:<name>"];
  return fault(
    [],
    `is not a way to authenticate${didYouMean(text, known)}: write one of ${known.join(", ")}`,
  );
}

function readLong(
  scheme: string,
  name: string | undefined,
  prefix: string | undefined,
): Result<AuthScheme, readonly ShapeFault[]> {
  switch (scheme) {
    case "bearer":
    case "none":
      if (name !== undefined) return fault(["name"], `has no meaning with scheme ${scheme}: remove it`);
      return prefix === undefined
        ? ok({ scheme })
        : fault(["prefix"], `has no meaning with scheme ${scheme}: remove it`);
    case "header": {
      if (name === undefined || !checkHeaderName(name).ok) return fault(["name"], "must be a header name");
      if (/[^\x20-\x7e]/.test(prefix ?? "")) return fault(["prefix"], "must be printable ASCII");
      return ok({ scheme, name: name.toLowerCase(), prefix: prefix ?? "" });
    }
    case "query": {
      if (name === undefined || !/^[A-Za-z0-9_.~-]+$/.test(name))
        return fault(["name"], "must be a plain parameter name");
      return prefix === undefined
        ? ok({ scheme, name })
        : fault(["prefix"], "has no meaning with scheme query: remove it");
    }
    default:
      return fault(["scheme"], "must be bearer, header, query or none");
  }
}

function fault(path: readonly string[], message: string): Result<never, readonly ShapeFault[]> {
  return fail([{ code: "invalid_value", path, message }]);
}
