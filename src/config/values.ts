import { resolve } from "node:path";
import type { Result } from "../result.ts";
import { fail, ok } from "../result.ts";
import type { Problem } from "./problem.ts";
import type { Setting } from "./settings.ts";
import type { Given } from "./sources.ts";
import { isBlank } from "./sources.ts";
import { readTextFile } from "./text-file.ts";

/** A text as it may stand in a message: short, without the user-info and query of an address. */
export function quote(text: string): string {
  const bare = text.replace(/\/\/.*@/s, "//***@").replace(/\?.*/s, "?***");
  return JSON.stringify(bare.length > 80 ? `${bare.slice(0, 80)}…` : bare);
}

/** The value of what a source gave. Paths become absolute; a secret is fetched from its file. */
export function readGiven(setting: Setting, given: Given, cwd: string): Result<unknown, Problem> {
  const report = (code: Problem["code"], message: string): Result<unknown, Problem> => {
    const { name, file, line } = given;
    return fail({ code, name, message, ...(file === undefined || line === undefined ? {} : { file, line }) });
  };
  const isSecret = setting.kind.nature === "secret";
  const text = given.isSecretFile ? readSecretFile(resolve(cwd, given.text)) : ok(given.text);
  if (!text.ok) return report("unreadable_file", `names ${quote(given.text)}, which ${text.error}`);
  const value = setting.kind.parse(text.value);
  if (!value.ok)
    return report("invalid_value", isSecret ? value.error : `${quote(text.value)} ${value.error}`);
  return ok(absolute(setting, value.value, cwd));
}

/** The value of a setting that nobody gave. */
export function readDefault(setting: Setting, dataDir: string, cwd: string): unknown {
  if (setting.default === undefined) return undefined;
  const value = setting.kind.parse(setting.default.replace("$DATA_DIR", () => dataDir));
  if (!value.ok) throw new Error(`the default of ${setting.env} ${value.error}`);
  return absolute(setting, value.value, cwd);
}

function absolute(setting: Setting, value: unknown, cwd: string): unknown {
  return setting.kind.nature === "path" && typeof value === "string" ? resolve(cwd, value) : value;
}

// The newline that editors and `echo` leave at the end is not part of the secret (CFG-101).
function readSecretFile(path: string): Result<string, string> {
  const text = readTextFile(path);
  if (!text.ok) return text;
  const secret = text.value.replace(/\r?\n$/, "");
  return isBlank(secret) ? fail("is empty") : ok(secret);
}
