import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { parseEnvFile } from "../src/config/env-file.ts";
import { isFile, readTextFile } from "../src/config/text-file.ts";
import { CommandError } from "./output.ts";

const header =
  "# Settings of llm-proxy, written by `llm-proxy setup`. The environment goes before this file.\n";
const secretMode = 0o600;
/** Of directories that are made for it: they hold the keys and the database as well. */
const directoryMode = 0o700;

/** Text of the env file, empty if there is none. @throws {CommandError} if it cannot be read */
export function readEnvFile(path: string): string {
  if (!isFile(path)) return "";
  const text = readTextFile(path);
  if (!text.ok) throw new CommandError(`The env file ${path} ${text.error}`);
  return text.value;
}

/** Value of a name in the text of an env file; undefined if it is missing or blank. */
export function valueIn(text: string, name: string): string | undefined {
  return parseEnvFile("", text).lines.find((line) => line.name === name)?.value || undefined;
}

/** The text with these values; every other line, comments included, stays as it is. */
export function mergeEnv(text: string, values: ReadonlyMap<string, string>): string {
  const known = parseEnvFile("", text).lines;
  const lines = (text === "" ? header : text).replace(/(?<=[^\n])$/, "\n").split("\n");
  const added: string[] = [];
  for (const [name, value] of values) {
    const line = known.find((one) => one.name === name);
    if (line === undefined) added.push(`${name}=${quote(value)}`);
    else if (line.value !== value) lines[line.line - 1] = `${name}=${quote(value)}`;
  }
  return [...lines.slice(0, -1), ...added, ""].join("\n");
}

/**
 * Writes the file whole or not at all, readable by its owner alone whatever the umask. A link stays a link.
 * @throws {CommandError} if the place cannot be written
 */
export function writeEnvFile(path: string, text: string): void {
  let draft: string | undefined;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: directoryMode });
    const target = isFile(path) ? realpathSync(path) : path;
    draft = `${target}.${randomBytes(6).toString("hex")}`;
    writeFileSync(draft, text, { flag: "wx", mode: secretMode, flush: true });
    chmodSync(draft, secretMode);
    renameSync(draft, target);
  } catch (fault) {
    if (draft !== undefined) rmSync(draft, { force: true });
    const code = (fault as NodeJS.ErrnoException).code ?? "unknown reason";
    throw new CommandError(
      `Cannot write ${path} (${code}), nothing was changed: choose another place with DATA_DIR or --config`,
    );
  }
}

/** Takes the file from other users where they may read it. @returns whether there was something to take */
export function closeToOthers(path: string): boolean {
  const { mode } = statSync(path);
  if ((mode & 0o077) === 0) return false;
  chmodSync(path, secretMode);
  return true;
}

// The grammar of config/env-file.ts: what could be read as a quote, a comment or a blank goes into quotes.
function quote(value: string): string {
  if (/^[^\s#'"\\]*$/.test(value)) return value;
  if (!value.includes("'")) return `'${value}'`;
  return `"${value.replace(/["\\]/g, "\\$&")}"`;
}
