import { join, resolve } from "node:path";
import type { Secret } from "../secret.ts";
import type { Findings } from "./findings.ts";
import { databaseUrlPath } from "./kinds.ts";
import type { Config, Group, SettingKey } from "./settings.ts";
import { settingRows, settings } from "./settings.ts";
import type { Environment, Flags, Given, Source } from "./sources.ts";
import { fromEnvFile, fromEnvironment, fromFlags, fromSettingsFile, isBlank } from "./sources.ts";
import { isFile, readTextFile } from "./text-file.ts";
import { quote, readDefault, readGiven } from "./values.ts";
import { parseYaml } from "./yaml-file.ts";

/** The name of the env file in the data directory, where `setup` writes it. */
export const envFileName = "llm-proxy.env";

interface Input {
  readonly flags: Flags;
  readonly environment: Environment;
  readonly cwd: string;
  readonly groups: readonly Group[];
}

/** What has been read; where there are problems, the settings concerned have their default. */
export interface ReadSettings {
  readonly config: Config;
  readonly origins: Readonly<Record<SettingKey, string>>;
}

/** Reads all sources: flags, then environment, then env file, then settings file, then defaults. */
export function readSettings(input: Input, findings: Findings): ReadSettings {
  const { flags, environment, cwd } = input;
  const flagSource = fromFlags(flags, findings);
  const environmentSource = fromEnvironment(environment, findings);
  const fileSource = readSettingsFile(flags, cwd, findings);
  const aboveEnvFile = [...flagSource, ...environmentSource, ...fileSource.settings];
  const dataDir = aboveEnvFile.find(([key]) => key === "dataDir")?.[1].text ?? settings.dataDir.default ?? "";
  const envSource = readEnvFile(input, dataDir, findings);
  takeProviderFile(flagSource, fileSource.providerFile, findings);

  const sources = [flagSource, environmentSource, envSource, fileSource.settings];
  const found = new Map<SettingKey, Found>();
  for (const { key, setting } of settingRows) {
    if (!setting.groups.some((group) => input.groups.includes(group))) continue;
    const rank = sources.findIndex((source) => source.has(key));
    const given = sources[rank]?.get(key);
    if (given === undefined) continue;
    const value = readGiven(setting, given, cwd);
    if (value.ok) found.set(key, { value: value.value, origin: originOf(given), rank, given });
    else {
      findings.problems.push(value.error);
      findings.unread.add(key);
    }
  }
  applySynonyms(found, cwd, findings);
  return complete(found, cwd);
}

interface Found {
  readonly value: unknown;
  readonly origin: string;
  /** Place of its source in the order of precedence; 0 is the first. */
  readonly rank: number;
  readonly given: Given;
}

function originOf({ origin, name, isSecretFile }: Given): string {
  return isSecretFile ? `${origin} (${name})` : origin;
}

function complete(found: ReadonlyMap<SettingKey, Found>, cwd: string): ReadSettings {
  const dataDir = String(found.get("dataDir")?.value ?? readDefault(settings.dataDir, "", cwd));
  const rows = settingRows.map(({ key, setting }) => {
    const { value, origin } = found.get(key) ?? {
      value: readDefault(setting, dataDir, cwd),
      origin: "default",
    };
    return { key, value, origin };
  });
  return {
    config: Object.fromEntries(rows.map(({ key, value }) => [key, value])) as Config,
    origins: Object.fromEntries(rows.map(({ key, origin }) => [key, origin])) as Record<SettingKey, string>,
  };
}

// Two settings say what another one says as well.
function applySynonyms(found: Map<SettingKey, Found>, cwd: string, findings: Findings): void {
  const debug = found.get("debug");
  if (debug?.value === true) found.set("logLevel", { ...debug, value: "debug" });

  const url = found.get("databaseUrl");
  const path = found.get("databasePath");
  if (url === undefined || (path !== undefined && path.rank < url.rank)) return;
  if (path?.rank === url.rank) {
    const message = `is set beside ${path.given.name}: keep one of them`;
    findings.problems.push({ code: "conflict", name: url.given.name, message });
  }
  const databaseUrl = (url.value as Secret).reveal();
  found.set("databasePath", { ...url, value: resolve(cwd, databaseUrlPath(databaseUrl)) });
}

function readSettingsFile(
  { config: file }: Flags,
  cwd: string,
  findings: Findings,
): { settings: Source; providerFile: string | undefined } {
  const nothing = { settings: new Map(), providerFile: undefined };
  if (typeof file !== "string" || isBlank(file)) return nothing;
  const text = readTextFile(resolve(cwd, file));
  if (!text.ok) {
    findings.problems.push({
      code: "unreadable_file",
      file,
      name: "",
      message: `the settings file ${text.error}`,
    });
    return nothing;
  }
  const yaml = parseYaml(file, text.value);
  if (!yaml.ok) {
    findings.problems.push(...yaml.error);
    return nothing;
  }
  if (yaml.value.value !== undefined && Object.hasOwn(Object(yaml.value.value), "apis")) {
    return { ...nothing, providerFile: file };
  }
  return { ...nothing, settings: fromSettingsFile(file, yaml.value, findings) };
}

// `--config providers.yaml`, as before there was a settings file.
function takeProviderFile(flags: Source, file: string | undefined, findings: Findings): void {
  if (file === undefined) return;
  const other = flags.get("apiConfigPath");
  if (other !== undefined) {
    const message = `is a provider file, and ${other.name} names one as well: keep one of them`;
    findings.problems.push({ code: "conflict", name: "--config", message });
  }
  flags.set("apiConfigPath", { text: file, name: "--config", origin: "flag --config", isSecretFile: false });
}

// Named by a flag it must be there; `ENV` is a common name with other meanings, so it counts only if it names a file.
function readEnvFile(input: Input, dataDir: string, findings: Findings): Source {
  const { flags, environment, cwd } = input;
  const { env: flag } = flags;
  if (typeof flag === "string" && !isBlank(flag)) return fromEnvFile(flag, resolve(cwd, flag), findings);
  const named = environment["ENV"] ?? "";
  if (!isBlank(named)) {
    if (isFile(resolve(cwd, named))) return fromEnvFile(named, resolve(cwd, named), findings);
    findings.warnings.push(`ENV names no file (${quote(named)}) and is not used`);
  }
  return readOwnEnvFile(input, join(dataDir, envFileName), findings);
}

// It belongs to the server's user: others may run `chat` or `manage` without being able to read it.
function readOwnEnvFile({ cwd, groups }: Input, file: string, findings: Findings): Source {
  const path = resolve(cwd, file);
  if (!isFile(path)) return new Map();
  const readable = groups.includes("server") ? undefined : readTextFile(path);
  if (readable?.ok === false) {
    findings.warnings.push(`${file}: the env file ${readable.error} and is left out`);
    return new Map();
  }
  const source = fromEnvFile(file, path, findings);
  const moved = source.get("dataDir");
  if (moved !== undefined && source.delete("dataDir")) {
    findings.warnings.push(
      `${moved.origin}: DATA_DIR has no effect in the env file of the data directory itself`,
    );
  }
  return source;
}
