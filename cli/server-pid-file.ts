import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Writes the number of a process as `<pid>\n`, at once or not at all; makes the directory where it is missing.
 * @throws {Error} of the file system
 */
export function writePidFile(path: string, pid: number): void {
  mkdirSync(dirname(path), { recursive: true });
  const draft = `${path}.${pid}`;
  writeFileSync(draft, `${pid}\n`, { mode: 0o644 });
  renameSync(draft, path);
}

/** The process number in the file; undefined where there is none. */
export function readPidFile(path: string): number | undefined {
  try {
    const text = readFileSync(path, "utf8");
    return /^[1-9]\d*\n$/.test(text) ? Number(text) : undefined;
  } catch {
    return undefined; // missing or unreadable says the same: no server has written it
  }
}

/** Removes the file if it still names this process: a later server may have put its own there. */
export function removePidFile(path: string, pid: number): void {
  if (readPidFile(path) === pid) rmSync(path, { force: true });
}
