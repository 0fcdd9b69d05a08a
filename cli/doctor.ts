import { defineCommand } from "citty";
import { type Clock, systemClock } from "../src/clock.ts";
import { type Flags, type Loaded, loadConfig } from "../src/config/load.ts";
import type { Config } from "../src/config/settings.ts";
import { argsOf, problemLine, readFlags } from "./config-flags.ts";
import { type Check, failed, good, warning } from "./doctor-check.ts";
import { checkDatabase } from "./doctor-database.ts";
import { checkDataDirectory, checkSecretFiles } from "./doctor-files.ts";
import { checkClock, checkDisk, checkOpenFiles } from "./doctor-machine.ts";
import { checkPort, checkProviders } from "./doctor-network.ts";
import { type CliIo, CommandError, printJson } from "./output.ts";

const managementTokenLengthLow = 32;

/** What the doctor is told. */
export interface DoctorOptions {
  readonly flags: Flags;
  /** Opens no connection to a provider. */
  readonly offline: boolean;
  readonly json: boolean;
}

/**
 * Looks at everything a server needs and says what to do about it; changes nothing.
 * @throws {CommandError} if a check failed
 */
export async function examine(options: DoctorOptions, io: CliIo, clock: Clock = systemClock): Promise<void> {
  const checks = await allChecks(options, io, clock);
  const failures = checks.filter(({ status }) => status === "failed").length;
  if (options.json) printJson(io, { ok: failures === 0, checks });
  else io.stdout.write(checks.map(lineOf).join(""));
  if (failures > 0) throw new CommandError(`${failures} of ${checks.length} checks failed`);
}

async function allChecks(options: DoctorOptions, io: CliIo, clock: Clock): Promise<Check[]> {
  const loaded = loadConfig({ flags: options.flags, environment: io.environment, cwd: io.cwd });
  if (!loaded.ok) {
    const advice = "Put it right and run llm-proxy doctor again: all else depends on it";
    return loaded.error.map((problem) => failed("settings", problemLine(problem), advice));
  }
  const { config } = loaded.value;
  const openFiles = checkOpenFiles();
  return [
    ...checkSettings(loaded.value),
    checkManagementToken(config),
    checkDataDirectory(config),
    ...checkSecretFiles(config),
    ...(await checkDatabase(loaded.value)),
    await checkPort(config.listenAddr, config.enableTls),
    ...(config.managementListenAddr === undefined
      ? []
      : [await checkPort(config.managementListenAddr, config.enableTls)]),
    ...(options.offline ? [] : await checkProviders(loaded.value, io.environment)),
    checkDisk(config),
    checkClock(config, clock),
    ...(openFiles === undefined ? [] : [openFiles]),
  ];
}

function checkSettings({ warnings, providers, providerSource }: Loaded): Check[] {
  const found = `${providers.byName.size} providers (${providerSource}), default ${providers.defaultName}`;
  return [
    good("settings", found),
    ...warnings.map((text) =>
      warning("settings", text, "llm-proxy config show tells where each setting comes from"),
    ),
  ];
}

function checkManagementToken({ managementToken }: Config): Check {
  const name = "management token";
  const length = managementToken?.reveal().length ?? 0;
  return length < managementTokenLengthLow
    ? warning(name, `It has ${length} characters`, "Make one with openssl rand -hex 32")
    : good(name, `It has ${length} characters`);
}

const marks = { ok: "✓", warning: "!", failed: "✗" } as const;
const nameWidth = 16;

function lineOf({ name, status, message, advice }: Check): string {
  const line = `${marks[status]} ${name.padEnd(nameWidth)}  ${message}\n`;
  return advice === undefined ? line : `${line}${" ".repeat(nameWidth + 4)}→ ${advice}\n`;
}

export const doctor = defineCommand({
  meta: {
    name: "doctor",
    description: "Look at everything a server needs; changes nothing. Example: llm-proxy doctor --offline",
  },
  args: {
    ...argsOf("server"),
    offline: { type: "boolean", default: false, description: "Open no connection to a provider" },
    json: { type: "boolean", default: false, description: "Print JSON" },
  },
  run: ({ args, data }) =>
    examine(
      { flags: readFlags("server", args), offline: args["offline"] === true, json: args["json"] === true },
      data,
    ),
});
