import { defineCommand } from "citty";
import { createApp } from "../src/app.ts";
import type { Flags, Loaded } from "../src/config/load.ts";
import { argsOf, loadOrThrow, readFlags, warner, writeFlags } from "./config-flags.ts";
import type { CliIo } from "./output.ts";
import { startInBackground } from "./server-daemon.ts";
import { createServiceManager } from "./server-notify.ts";
import { removePidFile, writePidFile } from "./server-pid-file.ts";
import { type Execve, ownProgram, raiseLimit, withRaisedLimit } from "./server-reexec.ts";
import { type ProcessEvents, serveUntilStopped } from "./server-signals.ts";

/** What a server needs of the process that it runs in. */
export interface ServerHost {
  readonly events: ProcessEvents;
  readonly pid: number;
  /** Absent where a process cannot be replaced. */
  readonly execve: Execve | undefined;
}

/**
 * Serves until SIGTERM or SIGINT, or, with `--daemon`, until another process does so.
 * @throws {CommandError} for what stops the start: wrong settings, no management token, port in use, database
 */
export async function runServer(flags: Flags, io: CliIo, host: ServerHost = thisProcess()): Promise<void> {
  const loaded = loadOrThrow(flags, io);
  const { config } = loaded;
  const warn = warner(io);
  if (config.daemon && config.logFile !== undefined) {
    const { file, script } = ownProgram();
    const args = [
      ...script,
      "server",
      ...writeFlags("server", { ...flags, daemon: false, pidFile: config.pidFile }),
    ];
    const program = { file, args, environment: withRaisedLimit(io.environment), cwd: io.cwd };
    const pid = await startInBackground(program, config, config.logFile);
    io.stderr.write(`llm-proxy runs in the background as process ${pid}, its log is ${config.logFile}\n`);
    return;
  }
  raiseLimit(io.environment, host.execve, warn);
  for (const warning of loaded.warnings) warn(warning);
  await serve(loaded, io, host);
}

async function serve(loaded: Loaded, io: CliIo, host: ServerHost): Promise<void> {
  const { config, origins } = loaded;
  const pidFile = origins.pidFile === "default" ? undefined : config.pidFile;
  const manager = createServiceManager(io.environment["NOTIFY_SOCKET"], warner(io));
  await serveUntilStopped(() => createApp(loaded), host.events, {
    onServing(serving) {
      if (pidFile !== undefined) writePidFile(pidFile, host.pid);
      const apart = serving.managementUrl === serving.url ? "" : `, management on ${serving.managementUrl}`;
      io.stderr.write(`llm-proxy listens on ${serving.url}${apart}\n`);
      manager.tell("READY=1");
    },
    onStopping: () => manager.tell("STOPPING=1"),
    onStopped() {
      if (pidFile !== undefined) removePidFile(pidFile, host.pid);
    },
  });
}

function thisProcess(): ServerHost {
  const execve: Execve | undefined = process.execve?.bind(process);
  return { events: process, pid: process.pid, execve };
}

export const server = defineCommand({
  meta: {
    name: "server",
    description: "Run the proxy. Example: llm-proxy server --addr :8080 --config llm-proxy.yaml",
  },
  args: argsOf("server"),
  run: ({ args, data }) => runServer(readFlags("server", args), data),
});
