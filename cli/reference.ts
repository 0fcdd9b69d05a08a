import { type CommandNode, openTree } from "./command-tree.ts";
import { argumentLines, flagLines, type HelpLine, usageOf } from "./help.ts";

/** Every command with its flags as Markdown; docs/cli.md holds it between its markers. */
export async function commandReference(root: CommandNode): Promise<string> {
  const nodes = await openTree(root);
  return nodes.map((node, index) => section(node, nodes.slice(0, index))).join("\n\n");
}

/** So many flags that a command has in common with an earlier one are told there alone. */
const sharedFlagsMin = 5;

function section(node: CommandNode, earlier: readonly CommandNode[]): string {
  const { path, aliases, about, example } = node;
  const also =
    aliases.length === 0 ? "" : ` Also written ${aliases.map((alias) => `\`${alias}\``).join(", ")}.`;
  const shared = earlier.findLast((other) => isPart(other, node));
  const told = new Set(shared === undefined ? [] : Object.keys(shared.args));
  const own = {
    ...node,
    args: Object.fromEntries(Object.entries(node.args).filter(([name]) => !told.has(name))),
  };
  const lines = [...argumentLines(node), ...flagLines(own)];
  return [
    `### \`${path}\``,
    `${about}.${also}`,
    `\`\`\`text\n${usageOf(node)}\n\`\`\``,
    ...(example === undefined ? [] : [`Example: \`${example}\``]),
    ...(lines.length === 0 ? [] : [table(lines)]),
    ...(shared === undefined
      ? []
      : [`${lines.length === 0 ? "Takes" : "And"} the flags of \`${shared.path}\`.`]),
  ].join("\n\n");
}

function isPart(other: CommandNode, { args }: CommandNode): boolean {
  const names = Object.keys(other.args);
  return (
    names.length >= sharedFlagsMin &&
    names.every((name) => args[name]?.description === other.args[name]?.description)
  );
}

function table(lines: readonly HelpLine[]): string {
  const rows = lines.map(({ label, about }) => `| \`${cell(label)}\` | ${cell(about)} |`);
  return ["| Flag | Meaning |", "|---|---|", ...rows].join("\n");
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}
