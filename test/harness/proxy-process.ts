import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { newCanary } from "./canary.ts";
import { freePort } from "./free-port.ts";
import { within } from "./mailbox.ts";
import { labProviders, type Management, managementOf } from "./management.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

const READY_DEADLINE_MS = 15_000;
const STOP_DEADLINE_MS = 15_000;
const READY_POLL_MS = 20;

/** What a finished process left behind. */
export interface Finished {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProxyOptions {
  /** `base_url` of the provider `lab`, which is the default and allows everything. */
  readonly upstream: string;
  /** More YAML below `apis:`, indented by two spaces. */
  readonly providers?: string;
  /** Added to the environment, or replacing what is there. */
  readonly env?: Readonly<Record<string, string>>;
  /** Data directory of a process that ran before; default a new one, removed at the end. */
  readonly dataDirectory?: string;
  /** Arguments after `server`. */
  readonly args?: readonly string[];
}

/** The compiled binary, serving from an empty working directory. Use: `await using proxy = await startProxy(...)`. */
export interface ProxyProcess extends Management, AsyncDisposable {
  readonly port: number;
  /** `http://127.0.0.1:<port>` */
  readonly origin: string;
  readonly pid: number;
  readonly dataDirectory: string;
  /** Stays empty unless the product writes where it must not. */
  readonly workingDirectory: string;
  /** The environment it runs with: give it to `runCli` to speak to this server. */
  readonly env: Readonly<Record<string, string>>;
  readonly managementToken: string;
  /** The key that `newProject` seals, a canary. */
  readonly providerKey: string;
  stdout(): string;
  stderr(): string;
  /** Resident memory, in bytes. Linux only. */
  rssBytes(): number;
  /** Open file descriptors. Linux only. */
  openFiles(): number;
  /** Sends the signal and waits for the end. @throws {Error} when it does not end in time; it is killed then */
  stop(signal?: NodeJS.Signals): Promise<Finished>;
}

/**
 * The binary under test: `LLM_PROXY_BINARY`, else `dist/llm-proxy`.
 * @throws {Error} when it is missing; tests never build it, so that they test what `make build` made
 */
export function binaryPath(): string {
  const path = resolve(process.env["LLM_PROXY_BINARY"] ?? join(import.meta.dirname, "../../dist/llm-proxy"));
  if (!existsSync(path)) throw new Error(`No binary at ${path}, run \`make build\` or set LLM_PROXY_BINARY`);
  return path;
}

/** Starts the server and waits until it is ready. @throws {Error} with its output when it does not get there */
export async function startProxy(options: ProxyOptions): Promise<ProxyProcess> {
  const binary = binaryPath();
  const scope = new DisposableStack();
  const work = scope.use(temporaryDirectory());
  const home = scope.use(temporaryDirectory());
  const data = options.dataDirectory ?? scope.use(temporaryDirectory()).path;
  const port = await freePort();
  const managementToken = `mt-${randomBytes(24).toString("hex")}`;
  const providerKey = newCanary("provider-key");
  const providerFile = join(home.path, "providers.yaml");
  await Bun.write(providerFile, labProviders(options.upstream, options.providers));
  const env = {
    PATH: process.env["PATH"] ?? "",
    HOME: home.path,
    MANAGEMENT_TOKEN: managementToken,
    MANAGEMENT_API_BASE_URL: `http://127.0.0.1:${port}`,
    LISTEN_ADDR: `127.0.0.1:${port}`,
    DATA_DIR: data,
    API_CONFIG_PATH: providerFile,
    LOG_LEVEL: "info",
    ...options.env,
  };
  const running = run([binary, "server", ...(options.args ?? [])], { env, cwd: work.path });
  const origin = `http://127.0.0.1:${port}`;
  const stop = async (signal: NodeJS.Signals = "SIGTERM"): Promise<Finished> => {
    running.kill(signal);
    return await within(running.finished, STOP_DEADLINE_MS, () => `end of the server after ${signal}`).catch(
      (late) => {
        running.kill("SIGKILL");
        throw late;
      },
    );
  };
  const proxy: ProxyProcess = {
    port,
    origin,
    pid: running.pid,
    dataDirectory: data,
    workingDirectory: work.path,
    env,
    managementToken: env.MANAGEMENT_TOKEN,
    providerKey,
    stdout: running.stdout,
    stderr: running.stderr,
    ...managementOf(origin, env.MANAGEMENT_TOKEN, providerKey),
    rssBytes: () =>
      1024 * Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${running.pid}/status`, "utf8"))?.[1]),
    openFiles: () => readdirSync(`/proc/${running.pid}/fd`).length,
    stop,
    async [Symbol.asyncDispose]() {
      await stop("SIGKILL");
      scope.dispose();
    },
  };
  await untilReady(proxy, running.finished).catch(async (fault) => {
    await proxy[Symbol.asyncDispose]();
    throw fault;
  });
  return proxy;
}

export interface CliOptions {
  /** The whole environment but PATH; give `proxy.env` to speak to a running server. */
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  /** Default: an empty directory, removed afterwards. */
  readonly cwd?: string;
  readonly deadlineMs?: number;
}

/** Runs the binary to its end. @throws {Error} when the deadline (20 s) passes; it is killed then */
export async function runCli(args: readonly string[], options: CliOptions = {}): Promise<Finished> {
  const binary = binaryPath();
  using directory = temporaryDirectory();
  const env = { PATH: process.env["PATH"] ?? "", HOME: directory.path, ...options.env };
  const running = run([binary, ...args], {
    env,
    cwd: options.cwd ?? directory.path,
    stdin: options.stdin ?? "",
  });
  const deadlineMs = options.deadlineMs ?? 20_000;
  return await within(running.finished, deadlineMs, () => `end of \`llm-proxy ${args.join(" ")}\``).finally(
    () => running.kill("SIGKILL"),
  );
}

function run(
  command: readonly string[],
  options: { readonly env: Record<string, string>; readonly cwd: string; readonly stdin?: string },
) {
  const child = Bun.spawn([...command], {
    env: options.env,
    cwd: options.cwd,
    stdin: Buffer.from(options.stdin ?? ""),
    stdout: "pipe",
    stderr: "pipe",
  });
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  const finished = Promise.all([child.exited, stdout.end, stderr.end]).then(
    (): Finished => ({
      code: child.exitCode,
      signal: child.signalCode,
      stdout: stdout.text(),
      stderr: stderr.text(),
    }),
  );
  return {
    pid: child.pid,
    kill: (signal: NodeJS.Signals) => child.kill(signal),
    stdout: stdout.text,
    stderr: stderr.text,
    finished,
  };
}

function collect(stream: ReadableStream<Uint8Array>): { text: () => string; end: Promise<void> } {
  const pieces: Uint8Array[] = [];
  const end = (async () => {
    for await (const piece of stream) pieces.push(piece);
  })();
  return { text: () => Buffer.concat(pieces).toString(), end };
}

async function untilReady(proxy: ProxyProcess, finished: Promise<Finished>): Promise<void> {
  const output = (): string => `${proxy.stdout()}${proxy.stderr()}`.slice(-4_000);
  let over: Finished | undefined;
  void finished.then((end) => {
    over = end;
  });
  const giveUpAtMs = performance.now() + READY_DEADLINE_MS;
  while (performance.now() < giveUpAtMs) {
    if (over !== undefined) throw new Error(`The server ended with code ${over.code}:\n${output()}`);
    const ready = await fetch(`${proxy.origin}/ready`).catch(() => undefined);
    if (ready?.ok) return;
    await delay(READY_POLL_MS);
  }
  throw new Error(`The server was not ready within ${READY_DEADLINE_MS} ms:\n${output()}`);
}
