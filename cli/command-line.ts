import type { ArgDef, ArgsDef } from "citty";
import { parseBoolean } from "../src/config/units.ts";
import { didYouMean } from "../src/nearest.ts";
import type { CommandNode } from "./command-tree.ts";
import { UsageError } from "./output.ts";

interface NamedFlag {
  readonly name: string;
  readonly def: ArgDef;
}

/**
 * Checks the words given to a command and rewrites them as `--name=value`, `--name`, `--no-name`, `--` and the rest,
 * for citty 0.2.2 neither refuses unknown flags, missing values and repeated flags, nor reads `-r=5` or `--json=0`.
 * @throws {UsageError} that names the flag, never its value, which may be a secret
 */
export function readCommandLine({ path, args }: CommandNode, words: readonly string[]): string[] {
  const flags = indexFlags(args);
  const given = new Map<string, string>();
  const positionals: string[] = [];
  const add = ({ name }: NamedFlag, word: string): void => {
    if (given.has(name)) throw new UsageError(`--${name} is given twice: give it once`);
    given.set(name, word);
  };

  const left = [...words];
  for (let word = left.shift(); word !== undefined; word = left.shift()) {
    if (word === "--") positionals.push(...left.splice(0));
    else if (word === "-" || !word.startsWith("-")) positionals.push(word);
    else if (word.startsWith("--")) readLong({ path, flags, word, left, add });
    else readShort({ path, flags, word, left, add });
  }
  checkPositionals(path, args, positionals.length);
  checkNeeded(args, given);
  return [...given.values(), "--", ...positionals];
}

interface Reading {
  readonly path: string;
  readonly flags: ReadonlyMap<string, NamedFlag>;
  readonly word: string;
  /** The words after it; a value is taken from here. */
  readonly left: string[];
  readonly add: (flag: NamedFlag, word: string) => void;
}

function readLong({ path, flags, word, left, add }: Reading): void {
  const [dashed = "", ...rest] = word.split("=");
  const text = word.includes("=") ? rest.join("=") : undefined;
  const flag = flags.get(dashed);
  const negated = flags.get(dashed.replace(/^--no-/, "--"));
  if (flag !== undefined) add(flag, written(flag, text ?? impliedValue(flag, left)));
  else if (negated?.def.type === "boolean" && text === undefined) add(negated, `--no-${negated.name}`);
  else throw unknownFlag(path, flags, dashed);
}

/** `-d`, `-dv` for switches; `-r 5`, `-r5` and `-r=5` where the flag takes a value. */
function readShort({ path, flags, word, left, add }: Reading): void {
  for (let at = 1; at < word.length; at++) {
    const flag = flags.get(`-${word[at]}`);
    if (flag === undefined) throw unknownFlag(path, flags, `-${word[at]}`);
    const rest = word.slice(at + 1);
    if (flag.def.type === "boolean" && !rest.startsWith("=")) {
      add(flag, `--${flag.name}`);
      continue;
    }
    add(flag, written(flag, rest === "" ? impliedValue(flag, left) : rest.replace(/^=/, "")));
    return;
  }
}

/** The value of a flag that has none after an equals sign. */
function impliedValue({ name, def }: NamedFlag, left: string[]): string {
  if (def.type === "boolean") return "true";
  const next = left[0];
  if (next === undefined) throw new UsageError(`--${name} needs a value`);
  if (/^-\D/.test(next)) {
    throw new UsageError(`--${name} needs a value: write --${name}=VALUE if it begins with a dash`);
  }
  left.shift();
  return next;
}

function written({ name, def }: NamedFlag, text: string): string {
  if (def.type === "boolean") {
    const value = parseBoolean(text);
    if (!value.ok) throw new UsageError(`--${name} takes true or false`);
    return value.value ? `--${name}` : `--no-${name}`;
  }
  if (def.type === "enum" && !def.options?.includes(text)) {
    throw new UsageError(`--${name} takes one of ${def.options?.join(", ")}`);
  }
  return `--${name}=${text}`;
}

function checkNeeded(args: ArgsDef, given: ReadonlyMap<string, string>): void {
  for (const [name, { required, type, description }] of Object.entries(args)) {
    if (required === true && type !== "positional" && !given.has(name)) {
      throw new UsageError(`--${name} is missing: ${description ?? "it is needed"}`);
    }
  }
}

function checkPositionals(path: string, args: ArgsDef, count: number): void {
  const wanted = Object.entries(args).filter(([, { type }]) => type === "positional");
  const needed = wanted.filter(([, { required, default: fallback }]) => required !== false && !fallback);
  const missing = needed[count];
  if (missing !== undefined) {
    const [name, { description }] = missing;
    throw new UsageError(`<${name}> is missing: ${description ?? "it is needed"}`);
  }
  if (count > wanted.length) {
    const takes = wanted.length === 0 ? "no arguments" : `${wanted.length} and no more`;
    throw new UsageError(
      `${path} takes ${takes}, and ${count} were given: switches are written --name=false`,
    );
  }
}

function unknownFlag(path: string, flags: ReadonlyMap<string, NamedFlag>, dashed: string): UsageError {
  // One letter is near to every other.
  const meant = dashed.startsWith("--") ? didYouMean(dashed, [...flags.keys(), "--help"]) : "";
  return new UsageError(`${path} has no flag ${dashed}${meant}`);
}

function indexFlags(args: ArgsDef): ReadonlyMap<string, NamedFlag> {
  return new Map(
    Object.entries(args)
      .filter(([, { type }]) => type !== "positional")
      .flatMap(([name, def]) =>
        spellings(name, def).map((spelling): [string, NamedFlag] => [spelling, { name, def }]),
      ),
  );
}

/** How a flag may be written, its own name first: `--requests`, `-r`. */
export function spellings(name: string, def: ArgDef): string[] {
  const aliases = "alias" in def ? [def.alias ?? []].flat() : [];
  return [name, ...aliases].map((spelling) => (spelling.length === 1 ? `-${spelling}` : `--${spelling}`));
}
