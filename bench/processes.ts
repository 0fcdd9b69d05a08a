import { existsSync, readdirSync, readFileSync } from "node:fs";

/** Clock ticks of the kernel per second; 100 on every Linux that Bun runs on. */
const TICKS_PER_SECOND = 100;

/** Started programs; leaving the scope ends them all. */
export interface Processes extends Disposable {
  start(command: readonly string[], options?: StartOptions): Started;
}

export interface StartOptions {
  /** The whole environment. Default: empty. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Standard output and error go to this file instead of to us. */
  readonly logFile?: string;
}

export interface Started {
  /** The first line of standard output. @throws {Error} with standard error, when the program ends before */
  readonly firstLine: () => Promise<string>;
  /** All of standard output, once the program has ended. @throws {Error} with what it said, when it fails */
  readonly output: () => Promise<string>;
  /** CPU time of the program so far, all its threads, in milliseconds; undefined where there is no /proc. */
  readonly cpuMs: () => number | undefined;
  /** Resident memory at its highest, in bytes. */
  readonly peakRssBytes: () => number | undefined;
  /** Resident memory now, in bytes. */
  readonly rssBytes: () => number | undefined;
  /** Open file descriptors. */
  readonly openFiles: () => number | undefined;
}

export function createProcesses(): Processes {
  const children = new Set<{ kill(signal: "SIGKILL"): void }>();
  return {
    start(command, options = {}) {
      const out = options.logFile === undefined ? "pipe" : Bun.file(options.logFile);
      const child = Bun.spawn([...command], {
        env: { ...options.env },
        stdin: "ignore",
        stdout: out,
        stderr: out,
        ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      });
      children.add(child);
      void child.exited.then(() => children.delete(child));
      return {
        firstLine: async () => {
          const line = await readFirstLine(child.stdout);
          if (line === "")
            throw new Error(`${command.join(" ")} ended early: ${await readAll(child.stderr)}`);
          return line;
        },
        output: async () => {
          const [stdout, stderr, code] = await Promise.all([
            readAll(child.stdout),
            readAll(child.stderr),
            child.exited,
          ]);
          if (code !== 0) throw new Error(`${command[0]} ended with ${code}: ${stderr}${stdout}`.trim());
          return stdout;
        },
        cpuMs: () => cpuMsOf(child.pid),
        peakRssBytes: () => memoryOf(child.pid, "VmHWM"),
        rssBytes: () => memoryOf(child.pid, "VmRSS"),
        openFiles: () => openFilesOf(child.pid),
      };
    },
    [Symbol.dispose]() {
      for (const child of children) child.kill("SIGKILL");
    },
  };
}

/** What Bun gives for an output: a stream when it is a pipe. */
type Output = ReadableStream<Uint8Array> | number | undefined;

async function readAll(output: Output): Promise<string> {
  return output instanceof ReadableStream ? await new Response(output).text() : "";
}

async function readFirstLine(output: Output): Promise<string> {
  if (!(output instanceof ReadableStream)) return "";
  let text = "";
  for await (const bytes of output) {
    text += Buffer.from(bytes).toString();
    if (text.includes("\n")) break;
  }
  return text.split("\n", 1)[0] ?? "";
}

function cpuMsOf(pid: number): number | undefined {
  const stat = readProc(pid, "stat");
  if (stat === undefined) return undefined;
  // proc(5): fields 14 and 15, counted behind the name, which may hold spaces
  const [user, system] = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .slice(11, 13)
    .map(Number);
  return (((user ?? 0) + (system ?? 0)) * 1_000) / TICKS_PER_SECOND;
}

/** proc(5): lines such as `VmRSS:     40000 kB`. */
function memoryOf(pid: number, name: "VmHWM" | "VmRSS"): number | undefined {
  const kibibytes = new RegExp(`${name}:\\s+(\\d+)`).exec(readProc(pid, "status") ?? "")?.[1];
  return kibibytes === undefined ? undefined : 1_024 * Number(kibibytes);
}

function openFilesOf(pid: number): number | undefined {
  const path = `/proc/${pid}/fd`;
  return existsSync(path) ? readdirSync(path).length : undefined;
}

function readProc(pid: number, file: "stat" | "status"): string | undefined {
  const path = `/proc/${pid}/${file}`;
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}
