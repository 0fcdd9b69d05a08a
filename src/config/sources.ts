import { didYouMean } from "../nearest.ts";
import { parseEnvFile } from "./env-file.ts";
import type { Findings } from "./findings.ts";
import { namesWithoutEffect } from "./names-without-effect.ts";
import type { Setting, SettingKey } from "./settings.ts";
import { fileKeyOf, flagOf, settingRows } from "./settings.ts";
import { readTextFile } from "./text-file.ts";
import type { YamlFile, YamlValue } from "./yaml-file.ts";

/** What one source says about one setting. */
export interface Given {
  readonly text: string;
  /** As the operator wrote it: `LISTEN_ADDR`, `--addr`, `listen_addr`. */
  readonly name: string;
  readonly origin: string;
  readonly file?: string;
  readonly line?: number;
  /** The text is the path of a file that holds the secret. */
  readonly isSecretFile: boolean;
}

/** What one source says about all settings; empty and blank values are left out. */
export type Source = Map<SettingKey, Given>;

/** The flags of a command by setting key; `config` names the settings file and `env` the env file. */
export type Flags = { readonly [K in SettingKey | "config" | "env"]?: string | boolean | undefined };

/** The environment of a process. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Empty, blank, or a pair of quotes around that, which docker env files leave standing: the same as not set. */
export function isBlank(text: string | undefined): boolean {
  return text === undefined || /^\s*(?:"\s*"|'\s*')?\s*$/.test(text);
}

/** Reads flags. A secret among them is a warning, since the list of processes shows it. */
export function fromFlags(flags: Flags, findings: Findings): Source {
  const source: Source = new Map();
  for (const { key, setting } of settingRows) {
    const value = flags[key] === undefined ? undefined : String(flags[key]);
    if (value === undefined || isBlank(value)) continue;
    const name = `--${flagOf(setting)}`;
    source.set(key, { text: value, name, origin: `flag ${name}`, isSecretFile: false });
    if (setting.kind.nature === "secret") {
      findings.warnings.push(
        `${name} shows in the list of processes: set ${setting.env} or ${setting.env}_FILE instead`,
      );
    }
  }
  return source;
}

/** Reads the environment, and warns of names that look like ours and are not. */
export function fromEnvironment(environment: Environment, findings: Findings): Source {
  const source: Source = new Map();
  for (const [name, text = ""] of Object.entries(environment)) {
    if (isBlank(text)) continue;
    const known = environmentNames.get(name);
    if (known === undefined) {
      warnOfName(name, { where: "", isOurs: isOursByPrefix(name) }, findings);
    } else if (/^(["']).*\1$/s.test(text)) {
      const message =
        "begins and ends with a quote, which is taken as part of it (docker env files do that): remove the quotes";
      findings.problems.push({ code: "invalid_value", name, message });
    } else {
      add(source, known, { text, name, origin: "environment" }, findings);
    }
  }
  return source;
}

/** Reads an env file. A name that is no setting is a warning. */
export function fromEnvFile(file: string, path: string, findings: Findings): Source {
  const source: Source = new Map();
  const content = readTextFile(path);
  if (!content.ok) {
    findings.problems.push({
      code: "unreadable_file",
      file,
      name: "",
      message: `the env file ${content.error}`,
    });
    return source;
  }
  const { lines, problems } = parseEnvFile(file, content.value);
  findings.problems.push(...problems);
  for (const { name, value: text, line } of lines) {
    if (isBlank(text)) continue;
    const known = environmentNames.get(name);
    const origin = `${file}:${line}`;
    if (known === undefined)
      warnOfName(name, { where: `${origin}: `, isOurs: !isForRuntime(name) }, findings);
    else add(source, known, { text, name, origin, file, line }, findings);
  }
  return source;
}

/** Reads a settings file. A key that is no setting is a problem. */
export function fromSettingsFile(file: string, yaml: YamlFile, findings: Findings): Source {
  const source: Source = new Map();
  if (yaml.value === undefined) return source;
  if (typeof yaml.value === "string" || Array.isArray(yaml.value)) {
    findings.problems.push({
      code: "invalid_syntax",
      file,
      line: 1,
      name: "",
      message: "the settings file is not a list of key: value",
    });
    return source;
  }
  for (const [name, value] of Object.entries(yaml.value)) {
    const place = { file, line: yaml.lineOf([name]), name };
    const known = fileNames.get(name);
    const text = known && textOf(value, known.setting);
    if (known === undefined) {
      findings.problems.push({
        code: "unknown_name",
        ...place,
        message: `is not a setting${insteadOf(name)}`,
      });
    } else if (text === undefined) {
      findings.problems.push({ code: "invalid_value", ...place, message: `takes ${takes(known.setting)}` });
    } else if (!isBlank(text) && !/^(?:~|null)$/.test(text)) {
      add(source, known, { text, origin: `${file}:${place.line}`, ...place }, findings);
    }
  }
  return source;
}

function insteadOf(fileKey: string): string {
  const instead = namesWithoutEffect.get(fileKey.toUpperCase());
  return instead === undefined ? didYouMean(fileKey, fileNames.keys()) : `: ${instead}`;
}

interface Named {
  readonly key: SettingKey;
  readonly setting: Setting;
  readonly isSecretFile: boolean;
}

function index(nameOf: (setting: Setting) => string, suffix: string): ReadonlyMap<string, Named> {
  return new Map(
    settingRows.flatMap(({ key, setting }): [string, Named][] => [
      [nameOf(setting), { key, setting, isSecretFile: false }],
      ...(setting.kind.nature === "secret"
        ? [[nameOf(setting) + suffix, { key, setting, isSecretFile: true }] satisfies [string, Named]]
        : []),
    ]),
  );
}

const environmentNames = index((setting) => setting.env, "_FILE");
const fileNames = index(fileKeyOf, "_file");

function add(source: Source, known: Named, given: Omit<Given, "isSecretFile">, findings: Findings): void {
  const other = source.get(known.key);
  if (other === undefined) {
    source.set(known.key, { ...given, isSecretFile: known.isSecretFile });
    return;
  }
  const { file, line } = given;
  findings.problems.push({
    code: "conflict",
    ...(file === undefined || line === undefined ? {} : { file, line }),
    name: given.name,
    message: `is set beside ${other.name}: keep one of them`,
  });
}

function warnOfName(name: string, at: { where: string; isOurs: boolean }, findings: Findings): void {
  const instead = namesWithoutEffect.get(name);
  if (instead !== undefined) {
    findings.warnings.push(`${at.where}${name} has no effect: ${instead}`);
  } else if (at.isOurs) {
    findings.warnings.push(`${at.where}${name} is not a setting${didYouMean(name, environmentNames.keys())}`);
  }
}

// Kubernetes sets LLM_PROXY_SERVICE_… and LLM_PROXY_PORT… where a service is called llm-proxy.
function isOursByPrefix(name: string): boolean {
  return /^LLM_PROXY_(?!SERVICE_|PORT(?:_|$))/.test(name);
}

// One env file may serve systemd as well, which hands these to the runtime.
function isForRuntime(name: string): boolean {
  return name.startsWith("BUN_");
}

function textOf(value: YamlValue, setting: Setting): string | undefined {
  if (typeof value === "string") return value;
  if (setting.kind.nature !== "list" || !Array.isArray(value)) return undefined;
  const items = value.filter((item): item is string => typeof item === "string" && !item.includes(","));
  return items.length === value.length ? items.join(",") || "none" : undefined;
}

function takes(setting: Setting): string {
  return setting.kind.nature === "list" ? `a ${setting.kind.label}` : "one value, not a list or a map";
}
