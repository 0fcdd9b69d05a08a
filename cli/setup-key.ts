import type { Flags } from "../src/config/load.ts";
import type { CliIo } from "./output.ts";
import { readSecret } from "./secret-input.ts";

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
  const key = await readSecret({ flag: "--openai-key", value: "-" }, io);
  return key === undefined ? sources : withSecret(sources, "openaiApiKey", key.reveal());
}
