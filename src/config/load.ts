import type { Providers } from "../provider/provider.ts";
import type { Result } from "../result.ts";
import type { Problem } from "./problem.ts";
import type { Config, Group, SettingKey } from "./settings.ts";

/** The flags of a command by setting key; `config` names the settings file and `env` the env file. */
export type Flags = { readonly [K in SettingKey | "config" | "env"]?: string | boolean | undefined };

/** Where settings come from. */
export interface LoadInput {
  readonly flags: Flags;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Relative paths start here. */
  readonly cwd: string;
  /** Whose settings are read; the others keep their default. Not given: all. */
  readonly groups?: readonly Group[];
}

/** Settings that have been read and checked one by one. */
export interface LoadedSettings {
  readonly config: Config;
  /** `flag --addr`, `environment`, `/etc/llm-proxy.env:3`, `llm-proxy.yaml:7` or `default`. */
  readonly origins: Readonly<Record<SettingKey, string>>;
  readonly warnings: readonly string[];
}

/** Settings of a server, checked together, and its providers. */
export interface Loaded extends LoadedSettings {
  readonly providers: Providers;
  /** A path, or `built in`. */
  readonly providerSource: string;
}

/** The environment of this process. */
export function readEnvironment(): Readonly<Record<string, string | undefined>> {
  // biome-ignore lint/style/noProcessEnv: the only place that reads it
  return { ...process.env };
}

/** For commands that need settings but neither providers nor what a server demands (`manage`, `chat`, `setup`). */
export function loadSettings(_input: LoadInput): Result<LoadedSettings, readonly Problem[]> {
  throw new Error("comes with the next commit");
}

/** For `server`, `config` and `doctor`. All problems come at once. */
export function loadConfig(_input: LoadInput): Result<Loaded, readonly Problem[]> {
  throw new Error("comes with the next commit");
}

/** Every setting with its value as text, secrets masked, and where it came from; for `config show`. */
export function describeConfig(_loaded: LoadedSettings): readonly {
  readonly key: SettingKey;
  readonly env: string;
  readonly value: string;
  readonly origin: string;
}[] {
  throw new Error("comes with the next commit");
}
