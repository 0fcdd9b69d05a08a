import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { LoadedSettings } from "../src/config/load.ts";
import { envFileName } from "../src/config/read-settings.ts";
import { type Config, type SettingKey, settings } from "../src/config/settings.ts";
import { formatAddress } from "../src/config/units.ts";
import { mergeEnv, readEnvFile, valueIn } from "./setup-env-file.ts";

const managementTokenBytes = 32;
/** Not the server's own default, `:8080`: what nobody chose to open stays on this machine. */
const listenAddrDefault = { hostname: "localhost", port: 8080 };

/** Where the server is to listen. */
export function plannedListenAddr({ config, origins }: LoadedSettings): Config["listenAddr"] {
  return origins.listenAddr === "default" ? listenAddrDefault : config.listenAddr;
}

/** Whether a server finds the env file by itself. */
export function isDefaultPlace({ envFile, dataDir }: Config): boolean {
  return envFile === join(dataDir, envFileName);
}

/** What the env file is to hold. */
export interface EnvFilePlan {
  readonly before: string;
  readonly text: string;
  readonly managementToken: string;
  /** From the file, from flag or environment, or new. */
  readonly tokenOrigin: "kept" | "taken" | "made";
}

/** Adds what the env file lacks and changes what a flag says otherwise, but never a token that is there (CLI-103). */
export function planEnvFile(loaded: LoadedSettings, warn: (message: string) => void): EnvFilePlan {
  const { config } = loaded;
  const before = readEnvFile(config.envFile);
  const kept = valueIn(before, "MANAGEMENT_TOKEN");
  const given = config.managementToken?.reveal();
  if (kept !== undefined && given !== undefined && given !== kept) {
    warn(`${config.envFile} has a management token, which stays; change it there if it is to be another`);
  }
  const managementToken = kept ?? given ?? randomBytes(managementTokenBytes).toString("hex");
  const values = new Map([["MANAGEMENT_TOKEN", managementToken], ...otherValues(loaded, before)]);
  const tokenOrigin = kept !== undefined ? "kept" : given !== undefined ? "taken" : "made";
  return { before, text: mergeEnv(before, values), managementToken, tokenOrigin };
}

function otherValues(loaded: LoadedSettings, before: string): (readonly [string, string])[] {
  const { config, origins } = loaded;
  const isDefault = (key: SettingKey): boolean => origins[key] === "default";
  const mayChange = (key: SettingKey): boolean =>
    valueIn(before, settings[key].env) === undefined || origins[key].startsWith("flag");
  const rows: [SettingKey, string, boolean][] = [
    // A server that is started elsewhere would look for its data there.
    ["dataDir", config.dataDir, !isDefaultPlace(config)],
    // Its default follows the data directory, even when that is moved.
    ["databasePath", config.databasePath, !isDefault("databasePath") && mayChange("databasePath")],
    ["listenAddr", formatAddress(plannedListenAddr(loaded)), mayChange("listenAddr")],
    ["logLevel", config.logLevel, mayChange("logLevel")],
  ];
  return rows.filter(([, , isWritten]) => isWritten).map(([key, value]) => [settings[key].env, value]);
}
