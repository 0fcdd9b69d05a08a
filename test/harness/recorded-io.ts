import type { CliIo } from "../../cli/output.ts";

/** What a command said, for a test to read. */
export interface RecordedIo extends CliIo {
  /** All of stdout so far. */
  out(): string;
  /** All of stderr so far. */
  err(): string;
}

/** Streams that remember what a command writes; `stdin` is what the user types, `isTTY` is for both outputs. */
export function recordedIo(
  given: { stdin?: CliIo["stdin"]; isTTY?: boolean; environment?: CliIo["environment"]; cwd?: string } = {},
): RecordedIo {
  const written = { out: "", err: "" };
  const isTTY = given.isTTY ?? false;
  async function* nothing(): AsyncGenerator<string> {}
  return {
    stdout: {
      isTTY,
      write: (text) => {
        written.out += text;
      },
    },
    stderr: {
      isTTY,
      write: (text) => {
        written.err += text;
      },
    },
    stdin: given.stdin ?? nothing(),
    environment: given.environment ?? {},
    cwd: given.cwd ?? process.cwd(),
    out: () => written.out,
    err: () => written.err,
  };
}
