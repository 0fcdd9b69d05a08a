import { readFileSync, statSync } from "node:fs";
import type { Result } from "../result.ts";
import { fail, ok } from "../result.ts";

/** No settings, env, provider or secret file is larger. */
export const fileBytesMax = 1024 * 1024;

/** UTF-8 text of a file, without a byte order mark. The error is the end of a sentence and never holds content. */
export function readTextFile(path: string): Result<string, string> {
  try {
    if (statSync(path).size > fileBytesMax) return fail("is larger than 1 MiB");
    const bytes = readFileSync(path);
    // A pipe has no size before it is read.
    if (bytes.length > fileBytesMax) return fail("is larger than 1 MiB");
    return ok(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (fault) {
    return fail(describeFault(fault));
  }
}

/** Whether there is a file, or anything else but a directory, that may be read as one. */
export function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === false;
}

function describeFault(fault: unknown): string {
  const code = (fault as NodeJS.ErrnoException).code;
  if (code === "ENOENT" || code === "ENOTDIR") return "does not exist";
  if (code === "EACCES" || code === "EPERM") return "cannot be read: this user lacks the permission";
  if (code === "EISDIR") return "is a directory";
  if (fault instanceof TypeError) return "is not UTF-8 text";
  return `cannot be read (${code ?? "unknown reason"})`;
}
