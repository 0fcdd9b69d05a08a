import { resolve } from "node:path";
import { readTextFile } from "../src/config/text-file.ts";
import { Secret } from "../src/secret.ts";
import { type CliIo, UsageError } from "./output.ts";

const secretCharsMax = 16 * 1024;

/** Where a secret may come from, in this order. */
export interface SecretSources {
  /** For messages: `--api-key`. */
  readonly flag: string;
  /** What the flag says; `-` is stdin. */
  readonly value: string | undefined;
  readonly file?: string | undefined;
  /** Name in the environment. */
  readonly variable?: string;
}

/**
 * Reads a secret; a flag that says it in clear warns, since the list of processes shows it (CLI-101).
 * @throws {UsageError} if the place that is named has none
 */
export async function readSecret(sources: SecretSources, io: CliIo): Promise<Secret | undefined> {
  const { flag, value, file, variable } = sources;
  if (value !== undefined && file !== undefined) throw new UsageError(`${flag} and ${flag}-file: give one`);
  if (file !== undefined) return fromFile(flag, file, io);
  if (value === "-") return await fromStdin(flag, io);
  if (value !== undefined) {
    if (value.trim() === "") throw new UsageError(`${flag} is empty`);
    const instead = variable === undefined ? `${flag} -` : `${flag} - or ${variable}`;
    io.stderr.write(`Warning: ${flag} shows in the list of processes: use ${instead} instead\n`);
    return new Secret(value);
  }
  const text = variable === undefined ? undefined : io.environment[variable]?.trim();
  return text === undefined || text === "" ? undefined : new Secret(text);
}

function fromFile(flag: string, file: string, { cwd }: CliIo): Secret {
  const text = readTextFile(resolve(cwd, file));
  if (!text.ok) throw new UsageError(`The file of ${flag}-file ${text.error}`);
  if (text.value.trim() === "") throw new UsageError(`The file of ${flag}-file is empty`);
  return new Secret(text.value.trim());
}

async function fromStdin(flag: string, { stdin }: CliIo): Promise<Secret> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const piece of stdin) {
    text += typeof piece === "string" ? piece : decoder.decode(piece, { stream: true });
    if (text.length > secretCharsMax) throw new UsageError(`${flag} -: stdin has more than 16 KiB`);
  }
  if (text.trim() === "") throw new UsageError(`${flag} - reads from stdin, which is empty`);
  return new Secret(text.trim());
}
