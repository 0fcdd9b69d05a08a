import type { ArgDef } from "citty";
import { spellings } from "./command-line.ts";
import { type CommandNode, openChildren } from "./command-tree.ts";
import { printable } from "./table.ts";

/** A flag or argument in help and reference: how it is written and what it is. */
export interface HelpLine {
  readonly label: string;
  readonly about: string;
}

/** The help of a command: what it is, how it is written, what it takes, an example. Values of the environment never. */
export async function renderHelp(node: CommandNode): Promise<string> {
  const commands = (await openChildren(node)).map(commandLine);
  return [
    `${printable(node.about)}\n`,
    `Usage: ${usageOf(node)}\n`,
    section("Commands", commands),
    section("Arguments", argumentLines(node)),
    section("Flags", [...flagLines(node), { label: "-h, --help", about: "Show this" }]),
    node.example === undefined ? "" : `Example:\n  ${node.example}\n`,
    commands.length === 0 ? "" : `${node.path} <command> --help tells more about a command\n`,
  ]
    .filter((part) => part !== "")
    .join("\n");
}

/** `llm-proxy manage token show [flags] <id>` */
export function usageOf({ path, args, children }: CommandNode): string {
  if (children !== undefined) return `${path} <command>`;
  const positionals = Object.entries(args)
    .filter(([, { type }]) => type === "positional")
    .map(([name, { required }]) => (required === false ? ` [${name}]` : ` <${name}>`));
  return `${path} [flags]${positionals.join("")}`;
}

/** What a command takes by its place. */
export function argumentLines({ args }: CommandNode): HelpLine[] {
  return Object.entries(args)
    .filter(([, { type }]) => type === "positional")
    .map(([name, { description = "" }]) => ({ label: `<${name}>`, about: description }));
}

/** What a command takes by name. */
export function flagLines({ args }: CommandNode): HelpLine[] {
  return Object.entries(args)
    .filter(([, { type }]) => type !== "positional")
    .map(([name, def]) => ({ label: flagLabel(name, def), about: aboutFlag(def) }));
}

function commandLine({ path, aliases, about }: CommandNode): HelpLine {
  const names = [path.slice(path.lastIndexOf(" ") + 1), ...aliases];
  return { label: names.join(", "), about };
}

function flagLabel(name: string, def: ArgDef): string {
  const value = def.type === "boolean" ? "" : ` ${def.type === "enum" ? def.options?.join("|") : "VALUE"}`;
  const shortFirst = spellings(name, def).toSorted((a, b) => Number(a.length !== 2) - Number(b.length !== 2));
  return `${shortFirst.join(", ")}${value}`;
}

function aboutFlag({ description = "", default: fallback, required }: ArgDef): string {
  const mark = required === true ? " (needed)" : "";
  const known = fallback === undefined || fallback === false || fallback === "";
  return known || description.includes("default")
    ? description + mark
    : `${description} (default ${fallback})`;
}

const labelWidthMax = 30;

function section(title: string, lines: readonly HelpLine[]): string {
  if (lines.length === 0) return "";
  const width = Math.min(labelWidthMax, Math.max(...lines.map(({ label }) => label.length)));
  const body = lines.map(({ label, about }) =>
    label.length > width
      ? `  ${label}\n  ${" ".repeat(width)}  ${about}\n`
      : `  ${label.padEnd(width)}  ${about}\n`,
  );
  return `${title}:\n${body.join("")}`;
}
