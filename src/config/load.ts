import { resolve } from "node:path";
import type { Provider, Providers } from "../provider/provider.ts";
import type { Result } from "../result.ts";
import { fail, ok } from "../result.ts";
import type { Pricing } from "../usage/price-table.ts";
import { createPricing } from "../usage/price-table.ts";
import { checkServer } from "./checks.ts";
import defaultProviders from "./default-providers.yaml" with { type: "text" };
import type { Findings } from "./findings.ts";
import { createFindings } from "./findings.ts";
import { markProxied, warningsOfProxy } from "./outbound-proxy.ts";
import { builtInPrices, parsePrices } from "./prices.ts";
import type { Problem } from "./problem.ts";
import { placeOf } from "./provider-place.ts";
import type { ProviderDefaults } from "./providers.ts";
import { parseProviders } from "./providers.ts";
import { readSettings } from "./read-settings.ts";
import type { Config, Group, SettingKey } from "./settings.ts";
import { settingRows } from "./settings.ts";
import type { Environment, Flags as FlagValues } from "./sources.ts";
import { isFile, readTextFile } from "./text-file.ts";

/** The flags of a command by setting key; `config` names the settings file and `env` the env file. */
export type Flags = FlagValues;

/** Where settings come from. */
export interface LoadInput {
  readonly flags: Flags;
  readonly environment: Environment;
  /** Relative paths start here. */
  readonly cwd: string;
  /** Whose settings are read; the others keep their default. Not given: all for `loadSettings`, else the server's. */
  readonly groups?: readonly Group[];
}

/** Settings that have been read and checked one by one. */
export interface LoadedSettings {
  readonly config: Config;
  /** `flag --addr`, `environment`, `/etc/llm-proxy.env:3`, `llm-proxy.yaml:7` or `default`. */
  readonly origins: Readonly<Record<SettingKey, string>>;
  readonly warnings: readonly string[];
}

/** The providers and where their file lies. */
export interface LoadedProviders {
  readonly providers: Providers;
  /** An absolute path, or `built in`. */
  readonly providerSource: string;
}

/** What models cost: the price file, if there is one, over the table in the binary. */
export interface LoadedPrices {
  readonly pricing: Pricing;
}

/** Settings of a server, checked together, its providers and prices. */
export interface Loaded extends LoadedSettings, LoadedProviders, LoadedPrices {}

/** A line of `config show`. */
export interface Described {
  readonly key: SettingKey;
  readonly env: string;
  /** In the grammar of the setting, `***` for a secret, empty where nothing is set. */
  readonly value: string;
  readonly origin: string;
}

/** The environment of this process. */
export function readEnvironment(): Environment {
  // biome-ignore lint/style/noProcessEnv: the only place that reads it
  return { ...process.env };
}

/** For commands that need settings but neither providers nor what a server demands (`manage`, `chat`, `setup`). */
export function loadSettings(input: LoadInput): Result<LoadedSettings, readonly Problem[]> {
  const findings = createFindings();
  const settings = readSettings({ groups: settingGroups, ...input }, findings);
  if (findings.problems.length > 0) return fail(findings.problems);
  return ok({ ...settings, warnings: findings.warnings });
}

/** For `server`, `config check` and `doctor`. All problems come at once: settings, what a server demands, providers. */
export function loadConfig(input: LoadInput): Result<Loaded, readonly Problem[]> {
  const findings = createFindings();
  const settings = readSettings({ groups: ["server"], ...input }, findings);
  checkServer(settings.config, findings);
  const loaded = readProviders(settings.config, input.cwd, findings);
  const prices = readPrices(settings.config, findings);
  if (loaded === undefined || prices === undefined || findings.problems.length > 0)
    return fail(findings.problems);
  const ofProxy = warningsOfProxy(loaded.providers.byName.values(), input.environment);
  const providers = markProxied(loaded.providers, input.environment);
  return ok({ ...settings, ...loaded, ...prices, providers, warnings: [...findings.warnings, ...ofProxy] });
}

/** The providers alone, for commands that open the database themselves. */
export function loadProviders(config: Config, cwd: string): Result<LoadedProviders, readonly Problem[]> {
  const findings = createFindings();
  const loaded = readProviders(config, cwd, findings);
  return loaded === undefined ? fail(findings.problems) : ok(loaded);
}

/** The prices alone, as `loadProviders`. */
export function loadPrices(config: Config): Result<LoadedPrices, readonly Problem[]> {
  const findings = createFindings();
  const loaded = readPrices(config, findings);
  return loaded === undefined ? fail(findings.problems) : ok(loaded);
}

/** Every setting with its value as text and where it came from, in the order of the table. */
export function describeConfig({ config, origins }: LoadedSettings): readonly Described[] {
  return settingRows.map(({ key, setting }) => {
    const value: unknown = config[key];
    const isUnset = value === undefined && setting.default === undefined;
    return { key, env: setting.env, value: isUnset ? "" : setting.kind.format(value), origin: origins[key] };
  });
}

const settingGroups: readonly Group[] = ["server", "client", "store", "chat", "setup"];
const defaultProviderFile = "config/api_providers.yaml";

function readProviders(config: Config, cwd: string, findings: Findings): LoadedProviders | undefined {
  const ownFile = config.apiConfigPath ?? resolve(cwd, defaultProviderFile);
  const isBuiltIn = config.apiConfigPath === undefined && !isFile(ownFile);
  const text = isBuiltIn ? ok(defaultProviders) : readTextFile(ownFile);
  if (!text.ok) {
    findings.problems.push(unreadable(ownFile, `the provider file ${text.error}`));
    return undefined;
  }
  const providerSource = isBuiltIn ? "built in" : ownFile;
  const defaults: ProviderDefaults = {
    defaultName: config.defaultApiProvider,
    requestTimeoutMs: config.requestTimeoutMs,
    allowedOrigins: config.corsAllowedOrigins,
    metricsPath: config.metricsPath,
  };
  const providers = parseProviders(providerSource, text.value, defaults);
  if (!providers.ok) {
    findings.problems.push(...providers.error);
    return undefined;
  }
  if (isBuiltIn) return { providers: withOpenaiUrl(providers.value, config.openaiApiUrl), providerSource };
  if (config.openaiApiUrl !== undefined) {
    findings.warnings.push(
      `OPENAI_API_URL has no effect beside a provider file: set base_url in ${providerSource}`,
    );
  }
  return { providers: providers.value, providerSource };
}

function readPrices({ pricesPath }: Config, findings: Findings): LoadedPrices | undefined {
  if (pricesPath === undefined) return { pricing: createPricing([builtInPrices()]) };
  const text = readTextFile(pricesPath);
  const table = text.ok
    ? parsePrices(pricesPath, text.value)
    : fail([unreadable(pricesPath, `the price file ${text.error}`)]);
  if (table.ok) return { pricing: createPricing([table.value, builtInPrices()]) };
  findings.problems.push(...table.error);
  return undefined;
}

function unreadable(file: string, message: string): Problem {
  return { code: "unreadable_file", file, name: "", message };
}

function withOpenaiUrl(providers: Providers, url: string | undefined): Providers {
  const openai = providers.byName.get("openai");
  if (url === undefined || openai === undefined) return providers;
  const moved: Provider = { ...openai, ...placeOf(new URL(url)) };
  return { ...providers, byName: new Map([...providers.byName, ["openai", moved]]) };
}
