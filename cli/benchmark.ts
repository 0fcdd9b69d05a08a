import { defineCommand } from "citty";
import { type Clock, systemClock } from "../src/clock.ts";
import { parseDecimal, parseDuration, parseInteger } from "../src/config/units.ts";
import type { Result } from "../src/result.ts";
import { type Load, type LoadWatch, type Sample, sendLoad } from "./benchmark-load.ts";
import { isSuccess, renderReport, summarise } from "./benchmark-report.ts";
import { readChatSettings } from "./chat-settings.ts";
import { warner } from "./config-flags.ts";
import { type CliIo, CommandError, UsageError } from "./output.ts";
import { raiseLimit } from "./server-reexec.ts";

/** What is measured and how it is told. */
export interface BenchmarkOptions {
  readonly load: Load;
  readonly output: "table" | "json";
  /** Tells one answer of each status on stderr, without the token. */
  readonly debug: boolean;
}

/**
 * Measures and reports on stdout.
 * @throws {CommandError} if no request succeeded
 */
export async function runBenchmark(
  { load, output, debug }: BenchmarkOptions,
  io: CliIo,
  clock: Clock = systemClock,
): Promise<void> {
  const startMs = clock.monotonic();
  const progress = showProgress(io, clock);
  const samples = await sendLoad(load, progress.watch, clock);
  const report = summarise(load, samples, clock.monotonic() - startMs);
  progress.end();
  if (debug) tellExcerpts(samples, io);
  io.stdout.write(output === "json" ? `${JSON.stringify(report, null, 2)}\n` : renderReport(report));
  if (report.success === 0) {
    throw new CommandError(
      `No request succeeded: ${debug ? "see above" : "--debug shows an answer of each kind"}`,
    );
  }
}

const PROGRESS_EVERY_MS = 100;

/** A line that rewrites itself, on a terminal only. */
function showProgress(io: CliIo, clock: Clock): { watch: LoadWatch; end(): void } {
  const count = { sent: 0, completed: 0, failed: 0 };
  let shownAtMs = Number.NEGATIVE_INFINITY;
  const show = (): void => {
    shownAtMs = clock.monotonic();
    const { sent, completed, failed } = count;
    io.stderr.write(`\rRequests sent/completed/failed: ${sent}/${completed}/${failed}`);
  };
  const tick = (): void => {
    if (io.stderr.isTTY && clock.monotonic() - shownAtMs >= PROGRESS_EVERY_MS) show();
  };
  return {
    watch: {
      onSent() {
        count.sent += 1;
        tick();
      },
      onSample(sample) {
        count.completed += 1;
        if (!isSuccess(sample)) count.failed += 1;
        tick();
      },
    },
    end() {
      if (!io.stderr.isTTY) return;
      show();
      io.stderr.write("\n");
    },
  };
}

function tellExcerpts(samples: readonly Sample[], io: CliIo): void {
  const codes = new Set(samples.map((sample) => sample.status));
  for (const code of codes) {
    const excerpt = samples.find((sample) => sample.status === code)?.excerpt ?? "";
    io.stderr.write(`--- ${code ?? "Network error"}: one of its answers\n${excerpt}\n`);
  }
}

/** The flags as citty gives them. */
export interface BenchmarkFlags {
  readonly "base-url"?: string | undefined;
  readonly endpoint: string;
  readonly token?: string | undefined;
  readonly "token-env": string;
  readonly requests: string;
  readonly concurrency: string;
  readonly json?: string | undefined;
  readonly method: string;
  readonly cache: boolean;
  readonly "cache-ttl": string;
  readonly timeout: string;
  readonly stream: boolean;
  readonly rate?: string | undefined;
  readonly output: string;
  readonly debug: boolean;
}

const RUNTIME_REQUESTS_MAX = 256;
const METHODS = ["GET", "POST", "PUT", "PATCH"];

/**
 * Reads flags and settings.
 * @throws {UsageError} that names the flag and says what it takes
 */
export function readBenchmarkOptions(flags: BenchmarkFlags, io: CliIo): BenchmarkOptions {
  const environment = { ...io.environment, PROXY_TOKEN: io.environment[flags["token-env"]] };
  const { proxyUrl, proxyToken } = readChatSettings(
    { proxyUrl: flags["base-url"], proxyToken: flags.token },
    { ...io, environment },
  );
  if (proxyToken === undefined) {
    throw new UsageError(`No token: set ${flags["token-env"]}, or name another variable by --token-env`);
  }
  const method = flags.method.toUpperCase();
  if (!METHODS.includes(method))
    throw new UsageError(`--method '${method}' is none of ${METHODS.join(", ")}`);
  if (!flags.endpoint.startsWith("/")) throw new UsageError("--endpoint must begin with a slash");
  const { output } = flags;
  if (output !== "table" && output !== "json")
    throw new UsageError(`--output '${output}' is neither table nor json`);
  const base = flags.endpoint.startsWith("/v1/") ? proxyUrl.replace(/\/v1$/, "") : proxyUrl;
  return {
    output,
    debug: flags.debug,
    load: {
      url: `${base}${flags.endpoint}`,
      method,
      token: proxyToken,
      body: readBody(flags, method),
      cacheTtlS: flags.cache ? read(flags, "cache-ttl", (text) => parseInteger(text)) : undefined,
      requests: read(flags, "requests", (text) => parseInteger(text, { min: 1, max: 10_000_000 })),
      concurrency: read(flags, "concurrency", (text) => parseInteger(text, { min: 1, max: 10_000 })),
      timeoutMs: read(flags, "timeout", (text) => parseDuration(text, { min: 1 })),
      stream: flags.stream,
      ratePerS:
        flags.rate === undefined
          ? undefined
          : read(flags, "rate", (text) => parseDecimal(text, { min: 0.001 })),
    },
  };
}

function read<T>(
  flags: BenchmarkFlags,
  name: "cache-ttl" | "requests" | "concurrency" | "timeout" | "rate",
  parse: (text: string) => Result<T, string>,
): T {
  const text = flags[name] ?? "";
  const value = parse(text);
  if (!value.ok) throw new UsageError(`--${name} '${text}' ${value.error}`);
  return value.value;
}

/** The body; `--stream` asks for a stream in it. */
function readBody(flags: BenchmarkFlags, method: string): string | undefined {
  if (flags.json === undefined) {
    if (method === "GET") return undefined;
    throw new UsageError(
      `No body: give one by --json '{"model":"gpt-4.1-mini","messages":[{"role":"user","content":"Hi"}]}'`,
    );
  }
  if (method === "GET") throw new UsageError("--json goes with POST, PUT or PATCH, not with GET");
  let body: unknown;
  try {
    body = JSON.parse(flags.json);
  } catch {
    throw new UsageError("--json is not JSON: quote it for your shell");
  }
  return flags.stream ? JSON.stringify({ ...Object(body), stream: true }) : flags.json;
}

export const benchmark = defineCommand({
  meta: {
    name: "benchmark",
    description: `Measure the proxy under load. Example: PROXY_TOKEN=sk-wt-... llm-proxy benchmark -r 100 -c 10 --json '{"model":"gpt-4.1-mini","messages":[{"role":"user","content":"Hi"}]}'`,
  },
  args: {
    "base-url": {
      type: "string",
      description: "Address of the proxy (PROXY_URL; default http://localhost:8080)",
    },
    endpoint: { type: "string", default: "/v1/chat/completions", description: "Path and query" },
    token: { type: "string", description: "Token of the proxy; shows in the process list" },
    "token-env": {
      type: "string",
      default: "PROXY_TOKEN",
      description: "Environment variable that holds the token",
    },
    requests: { type: "string", alias: "r", default: "1", description: "How many requests" },
    concurrency: { type: "string", alias: "c", default: "1", description: "How many at once" },
    json: { type: "string", description: "Request body" },
    method: { type: "string", default: "POST", description: METHODS.join(", ") },
    cache: {
      type: "boolean",
      default: false,
      description: "Ask for caching: Cache-Control: public, max-age=<ttl>",
    },
    "cache-ttl": { type: "string", default: "86400", description: "Seconds for --cache" },
    timeout: { type: "string", default: "120s", description: "Longest time for one request" },
    stream: {
      type: "boolean",
      default: false,
      description: "Ask for a stream and time its first event (TTFT)",
    },
    rate: { type: "string", description: "Start at most so many requests per second" },
    output: { type: "string", default: "table", description: "table or json" },
    debug: {
      type: "boolean",
      default: false,
      description: "Show one answer of each status, without the token",
    },
  },
  run: ({ args, data: io }) => {
    const options = readBenchmarkOptions(args, io);
    // what the runtime holds back would be measured as latency
    if (options.load.concurrency > RUNTIME_REQUESTS_MAX) {
      raiseLimit(io.environment, process.execve?.bind(process), warner(io));
    }
    return runBenchmark(options, io);
  },
});
