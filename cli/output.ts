/** What a command speaks to: its streams and its environment. Commands take it, so that tests can watch them. */
export interface CliIo {
  readonly stdout: { write(text: string): void; readonly isTTY: boolean };
  readonly stderr: { write(text: string): void; readonly isTTY: boolean };
  readonly stdin: AsyncIterable<string> | NodeJS.ReadableStream;
  readonly environment: Record<string, string | undefined>;
}

/** The streams and the environment of this process. */
export function processIo(): CliIo {
  return {
    stdout: { write: (text) => void process.stdout.write(text), isTTY: process.stdout.isTTY === true },
    stderr: { write: (text) => void process.stderr.write(text), isTTY: process.stderr.isTTY === true },
    stdin: process.stdin,
    // biome-ignore lint/style/noProcessEnv: the one door for commands; what it holds is read by the settings loader
    environment: process.env,
  };
}

/** Wrong usage: the command line itself is at fault. Exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The command was understood and failed. Exit code 1. */
export class CommandError extends Error {
  override readonly name = "CommandError";
}
