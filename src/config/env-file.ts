import type { Problem } from "./problem.ts";

/** One assignment of an env file. */
export interface EnvLine {
  readonly name: string;
  readonly value: string;
  readonly line: number;
}

/** What an env file holds, and what in it is wrong. */
export interface EnvFile {
  readonly lines: readonly EnvLine[];
  readonly problems: readonly Problem[];
}

/**
 * Reads lines `NAME=value`; `export` before it, empty lines and lines that start with `#` are fine.
 * A value may stand in single quotes (as it is) or double quotes (`\"`, `\\` and `\n` are read); outside quotes,
 * blanks at both ends and a comment after ` #` fall away. Nothing is expanded.
 */
export function parseEnvFile(file: string, text: string): EnvFile {
  const seen = new Map<string, EnvLine>();
  const problems: Problem[] = [];
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = index + 1;
    if (/^\s*(?:#|$)/.test(raw)) continue;
    const report = (name: string, message: string): void => {
      problems.push({ code: "invalid_syntax", file, line, name, message });
    };
    const match = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)$/s.exec(raw);
    const [, name = "", rest = ""] = match ?? [];
    const value = readValue(rest.trim());
    const first = seen.get(name);
    if (match === null) report("", "this line is not NAME=value, a comment or empty");
    else if (value === undefined)
      report(name, "has an opening quote without its end, or something behind it");
    else if (first !== undefined)
      report(name, `is set a second time (first in line ${first.line}): remove one`);
    else seen.set(name, { name, value, line });
  }
  return { lines: [...seen.values()], problems };
}

function readValue(text: string): string | undefined {
  const quote = text[0];
  if (quote !== '"' && quote !== "'") return text.replace(/(?:^|\s+)#.*$/, "");
  const pattern = quote === "'" ? /^'([^']*)'\s*(?:#.*)?$/ : /^"((?:[^"\\]|\\.)*)"\s*(?:#.*)?$/;
  const inner = pattern.exec(text)?.[1];
  return quote === "'"
    ? inner
    : inner?.replace(/\\(["\\n])/g, (_, letter: string) => (letter === "n" ? "\n" : letter));
}
