import type { ArgsDef } from "citty";
import {
  type Flags,
  type Loaded,
  loadConfig,
  loadPrices,
  loadProviders,
  loadSettings,
} from "../src/config/load.ts";
import { formatProblem, type Problem } from "../src/config/problem.ts";
import { type Flag, flagsOf, type Group } from "../src/config/settings.ts";
import type { Result } from "../src/result.ts";
import { type CliIo, CommandError } from "./output.ts";

/** A provider as the settings know it. */
export type Provider = Loaded["providers"]["byName"] extends ReadonlyMap<string, infer P> ? P : never;

/** The flags of a group's settings, for citty. None has a default there: what is absent must stay absent. */
export function argsOf(group: Group): ArgsDef {
  return Object.fromEntries(flagsOf(group).map((flag) => [flag.name, argOf(flag)]));
}

/** What citty parsed, under the setting keys. */
export function readFlags(group: Group, args: Readonly<Record<string, unknown>>): Flags {
  const given = flagsOf(group).map(({ key, name }) => [key, args[name]] as const);
  return Object.fromEntries(given.filter(([, value]) => value !== undefined));
}

/** Flags as a command line has them: `--addr=:8080`. Undoes `readFlags`. */
export function writeFlags(group: Group, flags: Flags): string[] {
  const given = flagsOf(group).map(({ key, name }) => [name, flags[key]] as const);
  return given.flatMap(([name, value]) => (value === undefined ? [] : [`--${name}=${value}`]));
}

/** The settings of a server. @throws {CommandError} with every problem, one a line */
export function loadOrThrow(flags: Flags, io: Pick<CliIo, "environment" | "cwd">): Loaded {
  return settled(loadConfig({ flags, environment: io.environment, cwd: io.cwd }));
}

/** What opening the database needs, which is less than what a server demands. @throws {CommandError} as above */
export function loadStore(flags: Flags, environment: CliIo["environment"], cwd = process.cwd()): Loaded {
  const settings = settled(loadSettings({ flags, environment, cwd, groups: ["store"] }));
  const { config } = settings;
  return { ...settings, ...settled(loadProviders(config, cwd)), ...settled(loadPrices(config)) };
}

/** @throws {CommandError} with every problem and its code, one a line */
export function settled<T>(loaded: Result<T, readonly Problem[]>): T {
  if (loaded.ok) return loaded.value;
  throw new CommandError(["The settings are wrong:", ...loaded.error.map(problemLine)].join("\n  "));
}

/** A problem with its place, what to do, and its code. */
export function problemLine(problem: Problem): string {
  return `${formatProblem(problem)} [${problem.code}]`;
}

/** Warnings go to stderr, one a line. */
export function warner(io: CliIo): (message: string) => void {
  return (message) => io.stderr.write(`Warning: ${message}\n`);
}

function argOf({ boolean, short, aliases, about, env, default: fallback }: Flag): ArgsDef[string] {
  const source = [env ?? [], fallback === undefined ? [] : `default ${fallback}`].flat().join("; ");
  return {
    type: boolean ? "boolean" : "string",
    alias: short === undefined ? [...aliases] : [short, ...aliases],
    description: source === "" ? about : `${about} (${source})`,
  };
}
