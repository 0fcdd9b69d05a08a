import { afterAll } from "bun:test";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Loaded, LoadInput } from "../../src/config/load.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { Problem } from "../../src/config/problem.ts";
import { formatProblem } from "../../src/config/problem.ts";
import type { Result } from "../../src/result.ts";
import { temporaryDirectory } from "../harness/temporary-directory.ts";

const root = temporaryDirectory();
afterAll(() => root[Symbol.dispose]());

/** A management token that nobody warns of. */
export const token = "mt-0123456789abcdef0123456789abcdef";
/** An encryption key. */
export const key = Buffer.alloc(32, 7).toString("base64");

/** A directory with these files, in which settings are loaded. */
export function directory(files: Record<string, string> = {}): string {
  const cwd = mkdtempSync(join(root.path, "cwd-"));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(cwd, name)), { recursive: true });
    writeFileSync(join(cwd, name), text);
  }
  return cwd;
}

function load(
  input: Partial<LoadInput> = {},
  files: Record<string, string> = {},
): Result<Loaded, readonly Problem[]> {
  return loadConfig({ flags: {}, environment: { MANAGEMENT_TOKEN: token }, cwd: directory(files), ...input });
}

/** What was loaded; throws the problems if there are any. */
export function loaded(input: Partial<LoadInput> = {}, files: Record<string, string> = {}): Loaded {
  const result = load(input, files);
  if (!result.ok) throw new Error(result.error.map(formatProblem).join("\n"));
  return result.value;
}

/** The problems, one line each. */
export function problems(input: Partial<LoadInput> = {}, files: Record<string, string> = {}): string[] {
  const result = load(input, files);
  return result.ok ? [] : result.error.map(formatProblem);
}
