import { createInterface } from "node:readline";
import { Readable, Writable } from "node:stream";
import type { Result } from "../src/result.ts";
import { type CliIo, CommandError } from "./output.ts";

/** Asks a person, on stderr so that stdout keeps to results. */
export interface Prompter extends Disposable {
  /**
   * An answer that `parse` takes; an empty one is the fallback. Asks again after a wrong one.
   * @throws {CommandError} on Ctrl-C or the end of the input
   */
  ask(question: Question): Promise<string>;
  /** @throws {CommandError} on Ctrl-C or the end of the input */
  confirm(text: string): Promise<boolean>;
}

export interface Question {
  readonly text: string;
  readonly fallback: string;
  /** The error is the end of a sentence that starts with "That". */
  readonly parse?: (answer: string) => Result<unknown, string>;
  /** Neither echoed nor kept in the line history. */
  readonly secret?: boolean;
}

/** A prompter on the terminal or pipe of a command. */
export function createPrompter(io: CliIo): Prompter {
  let muted = false;
  const echo = new Writable({
    write(chunk, _encoding, done) {
      if (!muted) io.stderr.write(String(chunk));
      done();
    },
  });
  const isTerminal = "isTTY" in io.stdin && io.stdin.isTTY === true;
  const reader = createInterface({
    input: "pipe" in io.stdin ? io.stdin : Readable.from(io.stdin),
    output: echo,
    terminal: isTerminal,
    historySize: 0,
  });
  let closed = false;
  reader.on("SIGINT", () => reader.close());
  reader.on("close", () => {
    closed = true;
  });
  const lines = reader[Symbol.asyncIterator]();

  async function readLine(prompt: string, secret: boolean): Promise<string> {
    if (isTerminal && !closed) {
      reader.setPrompt(prompt);
      reader.prompt();
    } else io.stderr.write(prompt);
    muted = secret && isTerminal;
    const line = await lines.next();
    if (muted || !isTerminal) io.stderr.write("\n");
    muted = false;
    if (line.done) throw new CommandError("Setup was stopped, nothing was changed");
    return line.value.trim();
  }

  async function ask(question: Question): Promise<string> {
    const { text, fallback, secret = false } = question;
    const prompt = fallback === "" || secret ? `${text}: ` : `${text} [${fallback}]: `;
    for (;;) {
      const answer = (await readLine(prompt, secret)) || fallback;
      const complaint = complaintAbout(answer, question);
      if (complaint === undefined) return answer;
      io.stderr.write(`That ${complaint}\n`);
    }
  }

  return {
    ask,
    confirm: async (text) => !/^no?$/i.test(await readLine(`${text} (Y/n): `, false)),
    [Symbol.dispose]: () => reader.close(),
  };
}

function complaintAbout(answer: string, { parse }: Question): string | undefined {
  const parsed = answer === "" ? undefined : parse?.(answer);
  return parsed === undefined || parsed.ok ? undefined : parsed.error;
}
