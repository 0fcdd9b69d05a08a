import { defineCommand } from "citty";
import { spellings } from "./command-line.ts";
import { type CommandNode, openTree } from "./command-tree.ts";
import { type Choice, completionScripts, type Place } from "./completion-scripts.ts";
import type { CliIo } from "./output.ts";

const shells = Object.keys(completionScripts);

/** The command; it learns the tree that it belongs to when it runs. */
export function completionOf(openProgram: () => Promise<CommandNode>) {
  return defineCommand({
    meta: {
      name: "completion",
      description:
        "Print a script that completes commands and flags. Example: source <(llm-proxy completion bash)",
    },
    subCommands: Object.fromEntries(shells.map((shell) => [shell, commandOf(shell, openProgram)])),
  });
}

function commandOf(shell: string, openProgram: () => Promise<CommandNode>) {
  return defineCommand({
    meta: {
      name: shell,
      description: `Print the script for ${shell}. Example: llm-proxy completion ${shell} > llm-proxy.${shell}`,
    },
    run: async ({ data: io }: { data?: CliIo }) => {
      const nodes = await openTree(await openProgram());
      io?.stdout.write(completionScripts[shell]?.(nodes.map((node) => placeOf(node, nodes))) ?? "");
    },
  });
}

function placeOf({ path, args }: CommandNode, nodes: readonly CommandNode[]): Place {
  const commands = nodes
    .filter((node) => node.path.slice(0, node.path.lastIndexOf(" ")) === path)
    .map(({ path: below, about }): Choice => ({ word: below.slice(path.length + 1), about }));
  const flags = Object.entries(args)
    .filter(([, { type }]) => type !== "positional")
    .flatMap(([name, def]) =>
      spellings(name, def).map((word): Choice => ({ word, about: def.description ?? "" })),
    );
  const help = { word: "--help", about: "Show help" };
  return { path: path.split(" ").slice(1).join(" "), choices: [...commands, ...flags, help] };
}
