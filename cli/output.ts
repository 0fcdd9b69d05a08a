import { writeSync } from "node:fs";
import { readEnvironment } from "../src/config/load.ts";
import { type Column, renderDetails, renderTable } from "./table.ts";

/** One of the two streams that a command writes to. */
export interface CliOutput {
  /** @throws {OutputError} if the text cannot be written */
  write(text: string): void;
  readonly isTTY: boolean;
}

/** What a command speaks to: its streams, its environment, its place. Commands take it, so that tests can watch them. */
export interface CliIo {
  readonly stdout: CliOutput;
  readonly stderr: CliOutput;
  readonly stdin: AsyncIterable<string> | NodeJS.ReadableStream;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Relative paths start here. */
  readonly cwd: string;
}

/** The streams and the environment of this process. */
export function processIo(): CliIo {
  return {
    stdout: { write: (text) => writeAll(1, text), isTTY: process.stdout.isTTY === true },
    stderr: { write: tell, isTTY: process.stderr.isTTY === true },
    stdin: process.stdin,
    environment: readEnvironment(),
    cwd: process.cwd(),
  };
}

/** Wrong usage: the command line itself is at fault. Exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  /** What to do; not given: a pointer to the command's help. */
  readonly hint: string | undefined;
  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}

/** The command was understood and failed. Exit code 1. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  /** What to do, for a line of its own. */
  readonly hint: string | undefined;
  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}

/** Standard output took no more. `EPIPE`: its reader has what it wanted, which is no failure. */
export class OutputError extends Error {
  override readonly name = "OutputError";
  /** As the system names it: `EPIPE`, `ENOSPC`. */
  readonly code: string;
  constructor(code: string) {
    super(`Cannot write to standard output (${code})`);
    this.code = code;
  }
}

/** Writes one JSON document, for programs. */
export function printJson(io: CliIo, value: unknown): void {
  io.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

/** Writes rows under headings, for people. */
export function printTable(
  io: CliIo,
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): void {
  io.stdout.write(renderTable(columns, rows));
}

/** Writes `Name: value` lines. */
export function printDetails(io: CliIo, pairs: readonly (readonly [name: string, value: string])[]): void {
  io.stdout.write(renderDetails(pairs));
}

// Written at once: process.stdout keeps what a slow pipe does not take yet, and process.exit would drop it.
function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let written = 0; written < bytes.length; ) {
    try {
      written += writeSync(fd, bytes, written);
    } catch (error) {
      const { code = "EIO" } = error as NodeJS.ErrnoException;
      if (code !== "EAGAIN") throw new OutputError(code);
      Bun.sleepSync(1);
    }
  }
}

// Where stderr cannot be written there is nobody left to tell.
function tell(text: string): void {
  try {
    writeAll(2, text);
  } catch {}
}
