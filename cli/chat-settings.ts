import { loadSettings } from "../src/config/load.ts";
import { formatProblem } from "../src/config/problem.ts";
import type { Config } from "../src/config/settings.ts";
import type { Flags } from "../src/config/sources.ts";
import { warner } from "./config-flags.ts";
import { type CliIo, UsageError } from "./output.ts";

/**
 * The settings that `chat` and `benchmark` read, by flags given under their setting keys.
 * @throws {UsageError} with every problem, one a line
 */
export function readChatSettings(flags: Flags, io: CliIo): Config {
  const { environment } = io;
  const loaded = loadSettings({ flags, environment, cwd: process.cwd(), groups: ["chat"] });
  if (!loaded.ok) throw new UsageError(loaded.error.map(formatProblem).join("\n"));
  loaded.value.warnings.forEach(warner(io));
  return loaded.value.config;
}
