import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { CommandError } from "./output.ts";

/**
 * Writes the number of a process as `<pid>\n`, at once or not at all; makes the directory where it is missing.
 * @throws {CommandError} if it cannot be written
 */
export function writePidFile(path: string, pid: number): void {
  const draft = `${path}.${pid}`;
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(draft, `${pid}\n`, { mode: 0o644 });
    renameSync(draft, path);
  } catch (fault) {
    const { code = "unknown reason" } = fault as NodeJS.ErrnoException;
    throw new CommandError(`The pid file ${path} cannot be written (${code}): set PID_FILE to another place`);
  }
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
