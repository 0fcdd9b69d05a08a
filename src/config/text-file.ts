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

/** Whether there is anything but a directory. Where this user may not look: yes, so that reading it says why not. */
export function isFile(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isDirectory() === false;
  } catch (fault) {
    return isForbidden(fault);
  }
}

function isForbidden(fault: unknown): boolean {
  const { code } = fault as NodeJS.ErrnoException;
  return code === "EACCES" || code === "EPERM";
}

function describeFault(fault: unknown): string {
  const code = (fault as NodeJS.ErrnoException).code;
  if (code === "ENOENT" || code === "ENOTDIR") return "does not exist";
  if (isForbidden(fault)) return "cannot be read: this user lacks the permission";
  if (code === "EISDIR") return "is a directory";
  if (fault instanceof TypeError) return "is not UTF-8 text";
  return `cannot be read (${code ?? "unknown reason"})`;
}
