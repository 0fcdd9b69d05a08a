import type { ArgsDef, CommandDef, CommandMeta, Resolvable, SubCommandsDef } from "citty";
import { didYouMean } from "../src/nearest.ts";
import { UsageError } from "./output.ts";

/** A command as it stands in the tree, with all that is lazy in its definition resolved. */
export interface CommandNode {
  readonly command: CommandDef;
  /** From the name of the program on: `llm-proxy manage token`. */
  readonly path: string;
  readonly aliases: readonly string[];
  /** The description up to its example. */
  readonly about: string;
  /** A command line to try. */
  readonly example: string | undefined;
  readonly args: ArgsDef;
  /** Undefined for a command that does something itself. */
  readonly children: SubCommandsDef | undefined;
}

/** A command that was named, and the words of the command line that are left for it. */
export interface Found {
  readonly node: CommandNode;
  readonly words: readonly string[];
}

const exampleMark = " Example: ";

/** Resolves one command; `parentPath` is empty for the program itself. */
export async function openNode(entry: SubCommandsDef[string], parentPath = ""): Promise<CommandNode> {
  const command: CommandDef = await resolve(entry);
  const { name = "", description = "", alias = [] }: CommandMeta = (await resolve(command.meta)) ?? {};
  const [about = "", example] = description.split(exampleMark);
  return {
    command,
    path: `${parentPath} ${name}`.trim(),
    aliases: [alias].flat(),
    about: about.replace(/\.$/, ""),
    example,
    args: (await resolve(command.args)) ?? {},
    children: await resolve(command.subCommands),
  };
}

/** The commands below a node, in the order of its table. */
export async function openChildren({ children = {}, path }: CommandNode): Promise<CommandNode[]> {
  return await Promise.all(Object.values(children).map((entry) => openNode(entry, path)));
}

/** The node and all below it, parents first. */
export async function openTree(node: CommandNode): Promise<CommandNode[]> {
  const below = await Promise.all((await openChildren(node)).map(openTree));
  return [node, ...below.flat()];
}

/**
 * Follows the words down the tree. Flags that a group takes may stand before the name of the command, and go to it.
 * @throws {UsageError} for a command that there is not, naming the nearest one
 */
export async function findCommand(node: CommandNode, words: readonly string[]): Promise<Found> {
  if (node.children === undefined) return { node, words };
  const [name, ...rest] = words;
  if (name === undefined) return { node, words };
  if (name.startsWith("-")) return findAfterFlag(node, name, rest);
  const child = await childOf(node, name);
  if (child === undefined) throw await unknownCommand(node, name);
  return findCommand(child, rest);
}

async function findAfterFlag(node: CommandNode, flag: string, rest: readonly string[]): Promise<Found> {
  const [dashed = ""] = flag.split("=");
  const def = dashed.startsWith("--") ? node.args[dashed.slice(2)] : undefined;
  if (def === undefined) throw new UsageError(`${node.path} has no flag ${dashed}: name a command first`);
  const valueWords = flag.includes("=") || def.type === "boolean" ? 0 : 1;
  const found = await findCommand(node, rest.slice(valueWords));
  return { ...found, words: [flag, ...rest.slice(0, valueWords), ...found.words] };
}

async function childOf(node: CommandNode, name: string): Promise<CommandNode | undefined> {
  const entry = Object.hasOwn(node.children ?? {}, name) ? node.children?.[name] : undefined;
  if (entry !== undefined) return openNode(entry, node.path);
  return (await openChildren(node)).find(({ aliases }) => aliases.includes(name));
}

async function unknownCommand(node: CommandNode, name: string): Promise<UsageError> {
  const aliases = (await openChildren(node)).flatMap((child) => child.aliases);
  const meant = didYouMean(name, [...Object.keys(node.children ?? {}), ...aliases]);
  return new UsageError(
    `${node.path} has no command ${shown(name)}${meant}`,
    `${node.path} --help lists them`,
  );
}

/** A word of the command line may be a secret that went to the wrong place. */
function shown(word: string): string {
  return /^[a-z][a-z-]{0,30}$/i.test(word) ? `'${word}'` : "of that name";
}

async function resolve<T>(lazy: Resolvable<T>): Promise<T> {
  return typeof lazy === "function" ? await (lazy as () => T | Promise<T>)() : await lazy;
}
