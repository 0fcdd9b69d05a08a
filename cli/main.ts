import { defineCommand, runCommand } from "citty";
import { parseBoolean } from "../src/config/units.ts";
import { readCommandLine } from "./command-line.ts";
import { type CommandNode, findCommand, openNode } from "./command-tree.ts";
import { renderHelp } from "./help.ts";
import { type CliIo, CommandError, OutputError, processIo, UsageError } from "./output.ts";
import { versionLine } from "./version.ts";

const chat = () => import("./chat.ts").then((module) => module.chat);

/** Every command of the binary, loaded when it is named. */
export const program = defineCommand({
  meta: {
    name: "llm-proxy",
    description:
      "One binary between your programs and the LLM providers. Example: llm-proxy setup && llm-proxy server",
  },
  args: {
    "manage-api-base-url": {
      type: "string",
      description: "The server that manage commands talk to (MANAGEMENT_API_BASE_URL)",
    },
  },
  subCommands: {
    server: () => import("./server.ts").then((module) => module.server),
    setup: () => import("./setup.ts").then((module) => module.setup),
    migrate: () => import("./migrate.ts").then((module) => module.migrate),
    manage: () => import("./manage/manage.ts").then((module) => module.manage),
    chat,
    mock: () => import("./mock.ts").then((module) => module.mock),
    doctor: () => import("./doctor.ts").then((module) => module.doctor),
    healthcheck: () => import("./healthcheck.ts").then((module) => module.healthcheck),
    benchmark: () => import("./benchmark.ts").then((module) => module.benchmark),
    config: () => import("./config.ts").then((module) => module.config),
    version: () => import("./version.ts").then((module) => module.version),
    completion: () => import("./completion.ts").then((module) => module.completionOf(openProgram)),
    openai: defineCommand({
      meta: { name: "openai", description: "Another way to write chat. Example: llm-proxy openai chat" },
      subCommands: { chat },
    }),
  },
});

/** The root of the tree of commands. */
export function openProgram(): Promise<CommandNode> {
  return openNode(program);
}

/**
 * Runs one command line, without the name of the program. Never throws.
 * Exit codes: 0 done, 1 failed, 2 wrong usage. What went wrong is said once, on stderr.
 */
export async function runMain(argv: readonly string[], io: CliIo): Promise<number> {
  const reached = { path: "llm-proxy" };
  try {
    return await dispatch(argv, io, reached);
  } catch (error) {
    return explain(error, io, { path: reached.path, isDebug: asksForDebug(argv, io) });
  }
}

async function dispatch(argv: readonly string[], io: CliIo, reached: { path: string }): Promise<number> {
  const [first = "", ...rest] = argv;
  if (rest.length === 0 && /^(?:--version|-V|-v)$/.test(first)) {
    io.stdout.write(`${versionLine}\n`);
    return 0;
  }
  const end = argv.indexOf("--");
  const own = end < 0 ? argv : argv.slice(0, end);
  const wantsHelp = first === "help" || own.some(isHelpFlag);
  const words = (first === "help" ? rest : argv).filter((word) => !(wantsHelp && isHelpFlag(word)));
  const { node, words: left } = await findCommand(await openProgram(), words);
  reached.path = node.path;
  if (wantsHelp) {
    io.stdout.write(await renderHelp(node));
    return 0;
  }
  if (node.children !== undefined) {
    io.stderr.write(await renderHelp(node));
    return 2;
  }
  await runCommand(node.command, { rawArgs: readCommandLine(node, left), data: io });
  return 0;
}

function isHelpFlag(word: string): boolean {
  return word === "--help" || word === "-h";
}

function explain(error: unknown, io: CliIo, { path, isDebug }: { path: string; isDebug: boolean }): number {
  if (error instanceof OutputError && error.code === "EPIPE") return 0;
  const isExpected = [UsageError, CommandError, OutputError].some((kind) => error instanceof kind);
  const message = error instanceof Error ? error.message : String(error);
  io.stderr.write(`Error: ${message}\n`);
  const hint = error instanceof CommandError || error instanceof UsageError ? error.hint : undefined;
  if (hint !== undefined) io.stderr.write(`${hint}\n`);
  else if (error instanceof UsageError) io.stderr.write(`${path} --help tells how it is used\n`);
  if (isDebug && error instanceof Error) io.stderr.write(`${error.stack}\n`);
  else if (!isExpected) io.stderr.write("This was not expected: LOG_LEVEL=debug shows where it happened\n");
  return error instanceof UsageError ? 2 : 1;
}

function asksForDebug(argv: readonly string[], { environment }: CliIo): boolean {
  const debug = parseBoolean(environment["DEBUG"] ?? "false");
  const isOn = debug.ok && debug.value;
  return argv.includes("--debug") || isOn || environment["LOG_LEVEL"]?.toLowerCase() === "debug";
}

if (import.meta.main) {
  void runMain(process.argv.slice(2), processIo()).then((code) => process.exit(code));
}
