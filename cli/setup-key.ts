import type { Flags } from "../src/config/load.ts";
import { type CliIo, UsageError } from "./output.ts";

const keyCharsMax = 16 * 1024;

/** Where settings come from but files. */
export interface Sources {
  readonly flags: Flags;
  readonly environment: CliIo["environment"];
}

/** The sources with a secret in the environment, where the list of processes does not show it. */
export function withSecret(sources: Sources, key: "openaiApiKey" | "managementToken", text: string): Sources {
  const name = { openaiApiKey: "OPENAI_API_KEY", managementToken: "MANAGEMENT_TOKEN" }[key];
  const environment = { ...sources.environment, [name]: text, [`${name}_FILE`]: undefined };
  return { flags: { ...sources.flags, [key]: undefined }, environment };
}

/**
 * Puts a provider key that comes by `--api-key-file`, or by `--openai-key -` on stdin, where settings are read.
 * @throws {UsageError} if stdin has none
 */
export async function withProviderKey(
  sources: Sources,
  keyFile: string | undefined,
  io: CliIo,
): Promise<Sources> {
  if (keyFile !== undefined) {
    const { flags, environment } = withSecret(sources, "openaiApiKey", "");
    return { flags, environment: { ...environment, OPENAI_API_KEY_FILE: keyFile } };
  }
  if (sources.flags.openaiApiKey !== "-") return sources;
  const key = (await readStdin(io)).trim();
  if (key === "") throw new UsageError("--openai-key - reads the key from stdin, which is empty");
  return withSecret(sources, "openaiApiKey", key);
}

async function readStdin(io: CliIo): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const piece of io.stdin) {
    text += typeof piece === "string" ? piece : decoder.decode(piece, { stream: true });
    if (text.length > keyCharsMax) throw new UsageError("The key on stdin is longer than 16 KiB");
  }
  return text;
}
