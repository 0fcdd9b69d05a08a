import { join } from "node:path";
import type { Processes } from "./processes.ts";
import { pathOf, requestBody, type Scenario } from "./scenarios.ts";
import type { Target } from "./targets.ts";

/** What one run of load came to. */
export interface Sample {
  /** Answers that came whole. */
  readonly count: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU time of the proxy; undefined where it cannot be known. */
  readonly cpuMs: number | undefined;
}

export interface Load {
  readonly target: Target;
  readonly scenario: Scenario;
  readonly connections: number;
  /** Whole seconds. */
  readonly seconds: number;
}

type Counted = Omit<Sample, "cpuMs">;

/**
 * Drives one target and measures it. `wrk` makes the load where speed counts, as it takes the least CPU from what is
 * measured; paced streams need the time of their first byte, which wrk does not tell, and are read by `streams`.
 * @throws {Error} when any answer is not a whole 200
 */
export async function measure(load: Load, processes: Processes, wrk: string): Promise<Sample> {
  const before = load.target.process?.cpuMs();
  const counted = load.scenario.name === "paced" ? await streams(load) : await runWrk(load, processes, wrk);
  const after = load.target.process?.cpuMs();
  return { ...counted, cpuMs: before === undefined || after === undefined ? undefined : after - before };
}

async function runWrk(load: Load, processes: Processes, wrk: string): Promise<Counted> {
  const { target, connections, seconds, scenario } = load;
  const script = join(import.meta.dirname, "wrk.lua");
  const url = `http://127.0.0.1:${target.port}${pathOf(scenario)}`;
  const options = ["-t1", `-c${connections}`, `-d${seconds}s`, "--timeout", "10s", "-s", script];
  const output = await processes.start([wrk, ...options, url, "--", requestBody(), target.token]).output();
  const result = JSON.parse(/^RESULT (.*)$/m.exec(output)?.[1] ?? "null") as Record<string, number> | null;
  if (result === null) throw new Error(`wrk told nothing: ${output}`);
  const { count = 0, durationUs = 0, failed = 0, p50Us = 0, p99Us = 0 } = result;
  if (failed > 0 || count === 0) throw new Error(`${target.name}: ${failed} of ${count} answers failed`);
  return { count, perSecond: (count * 1e6) / durationUs, p50Ms: p50Us / 1_000, p99Ms: p99Us / 1_000 };
}

async function streams({ target, connections, seconds, scenario }: Load): Promise<Counted> {
  const request = [
    `POST ${pathOf(scenario)} HTTP/1.1`,
    "Host: 127.0.0.1",
    "Content-Type: application/json",
    `Authorization: Bearer ${target.token}`,
    `Content-Length: ${requestBody().length}`,
    `\r\n${requestBody()}`,
  ].join("\r\n");
  const clients = await Promise.all(Array.from({ length: connections }, () => connect(target)));
  const startMs = performance.now();
  const firstByteMs: number[] = [];
  const readUntilLate = async (client: StreamClient): Promise<void> => {
    while (performance.now() - startMs < seconds * 1_000) firstByteMs.push(await client.stream(request));
    client.close();
  };
  await Promise.all(clients.map(readUntilLate));
  const elapsedMs = performance.now() - startMs;
  const sorted = firstByteMs.toSorted((a, b) => a - b);
  return {
    count: sorted.length,
    perSecond: (sorted.length * 1_000) / elapsedMs,
    p50Ms: percentile(sorted, 0.5),
    p99Ms: percentile(sorted, 0.99),
  };
}

/** @param sorted ascending, not empty */
function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.ceil(sorted.length * share) - 1] ?? Number.NaN;
}

interface StreamClient {
  /** Reads one stream to its last chunk; gives the time from sending to the first event, in milliseconds. */
  stream(request: string): Promise<number>;
  close(): void;
}

/** How a chunked answer ends on the wire. */
const LAST_CHUNK = "\r\n0\r\n\r\n";

async function connect(target: Target): Promise<StreamClient> {
  let current = Promise.withResolvers<number>();
  let sentMs = 0;
  let firstByteMs: number | undefined;
  let tail = "";
  const fail = (why: string): void => current.reject(new Error(`${target.name}: ${why}`));
  const receive = (text: string): void => {
    if (tail === "" && !text.startsWith("HTTP/1.1 200")) fail(`answered ${text.split("\r\n", 1)[0]}`);
    if (firstByteMs === undefined && text.includes("data: ")) firstByteMs = performance.now() - sentMs;
    tail = (tail + text).slice(-LAST_CHUNK.length);
    if (tail === LAST_CHUNK) current.resolve(firstByteMs ?? Number.NaN);
  };
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port: target.port,
    socket: {
      data: (_, bytes) => receive(bytes.toString("latin1")),
      close: () => fail("closed the connection"),
      error: (_, error) => fail(error.message),
    },
  });
  current.promise.catch(() => undefined);
  return {
    stream(request) {
      current = Promise.withResolvers();
      firstByteMs = undefined;
      tail = "";
      sentMs = performance.now();
      socket.write(request);
      return current.promise;
    },
    close: () => {
      socket.end();
    },
  };
}
