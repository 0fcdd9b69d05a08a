import { afterAll, describe, expect, test } from "bun:test";
import { createMock } from "../src/mock/mock.ts";
import { Secret } from "../src/secret.ts";
import { recordedIo } from "../test/harness/recorded-io.ts";
import { type BenchmarkFlags, readBenchmarkOptions, runBenchmark } from "./benchmark.ts";
import type { Load } from "./benchmark-load.ts";
import { CommandError, UsageError } from "./output.ts";

const TOKEN = "sk-wt-canary";
const mock = createMock({ apiKey: new Secret(TOKEN), paceMs: 1 });
const seen: Request[] = [];
let inFlight = 0;
let inFlightMax = 0;
const routes: Record<string, (request: Request) => Response | Promise<Response>> = {
  "/timed": () =>
    new Response("{}", {
      headers: {
        "x-upstream-request-start": "1700000000000000000",
        "x-upstream-request-stop": "1700000000000001000",
        "cache-status": "llm-proxy; hit",
      },
    }),
  "/clocks-apart": () =>
    new Response("{}", { headers: { "x-upstream-request-start": "9", "x-upstream-request-stop": "1" } }),
  "/alternate": () => new Response(`you sent ${TOKEN}`, { status: seen.length % 2 === 0 ? 200 : 503 }),
  "/held": async () => {
    inFlight += 1;
    inFlightMax = Math.max(inFlightMax, inFlight);
    await Bun.sleep(5);
    inFlight -= 1;
    return new Response();
  },
  "/never": () => new Promise(() => {}),
};
const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  idleTimeout: 0,
  development: false,
  fetch(request) {
    seen.push(request);
    return routes[new URL(request.url).pathname]?.(request) ?? mock.fetch(request);
  },
});
afterAll(() => server.stop(true));

function loadOf(path: string, more: Partial<Load> = {}): Load {
  return {
    url: `http://127.0.0.1:${server.port}${path}`,
    method: "POST",
    token: new Secret(TOKEN),
    body: '{"model":"m","messages":[{"role":"user","content":"Hi"}]}',
    cacheTtlS: undefined,
    requests: 4,
    concurrency: 2,
    timeoutMs: 5_000,
    stream: false,
    ratePerS: undefined,
    ...more,
  };
}

async function measure(load: Load, given: { isTTY?: boolean; debug?: boolean } = {}) {
  const io = recordedIo({ isTTY: given.isTTY ?? false });
  const options = { load, output: "json" as const, debug: given.debug ?? false };
  const failure = await runBenchmark(options, io).catch((error) => error);
  return { io, failure, report: JSON.parse(io.out()) };
}

describe("a measurement", () => {
  test("sends what was asked, and nothing but the report on stdout", async () => {
    const { report, io, failure } = await measure(loadOf("/v1/chat/completions", { cacheTtlS: 60 }));
    expect(failure).toBeUndefined();
    expect(report).toMatchObject({ total_requests: 4, success: 4, failed: 0, response_codes: { 200: 4 } });
    expect(report.upstream_latency_ms).toBeNull();
    expect(report).not.toHaveProperty("ttft_ms");
    expect(io.err()).toBe("");
    const request = seen.find((one) => one.headers.get("cache-control") === "public, max-age=60");
    expect(request?.headers.get("authorization")).toBe(`Bearer ${TOKEN}`);
    const sentAtMs = Number(BigInt(request?.headers.get("x-request-start") ?? "0") / 1_000_000n);
    expect(Math.abs(Date.now() - sentAtMs)).toBeLessThan(60_000);
  });

  test("takes upstream from the proxy's headers, and leaves out what cannot be", async () => {
    const timed = (await measure(loadOf("/timed"))).report;
    expect(timed.upstream_latency_ms).toMatchObject({ min: 0.001, max: 0.001 });
    expect(timed.proxy_latency_ms.avg).toBeCloseTo(timed.latency_ms.avg - 0.001, 6);
    expect(timed.cache_hits).toBe(4);
    expect((await measure(loadOf("/clocks-apart"))).report.upstream_latency_ms).toBeNull();
  });

  test("of streams gives the time to the first event, which is before the end", async () => {
    const body = '{"model":"m","stream":true,"messages":[{"role":"user","content":"Hi"}]}';
    const { report } = await measure(loadOf("/v1/chat/completions", { stream: true, body, requests: 2 }));
    expect(report.ttft_ms.max).toBeLessThan(report.latency_ms.min);
    expect(report.ttft_ms.min).toBeGreaterThan(0);
  });

  test("a stream that breaks is a network error", async () => {
    const body = '{"model":"mock-cut","stream":true,"messages":[{"role":"user","content":"Hi"}]}';
    const { report } = await measure(loadOf("/v1/chat/completions", { stream: true, body, requests: 2 }));
    expect(report.response_codes).toEqual({ network_error: 2 });
  });

  test("keeps to its concurrency", async () => {
    await measure(loadOf("/held", { requests: 12, concurrency: 3 }));
    expect(inFlightMax).toBe(3);
  });

  test("keeps to its rate", async () => {
    const { report } = await measure(loadOf("/timed", { requests: 5, concurrency: 5, ratePerS: 50 }));
    expect(report.duration_s).toBeGreaterThanOrEqual(0.079);
  });

  test("fails if nothing succeeded, after the report", async () => {
    const { failure, report } = await measure(loadOf("/never", { requests: 1, timeoutMs: 30 }));
    expect(failure).toBeInstanceOf(CommandError);
    expect(report).toMatchObject({ success: 0, failed: 1, latency_ms: null });
  });

  test("shows its progress on a terminal only", async () => {
    const { io } = await measure(loadOf("/timed"), { isTTY: true });
    expect(io.err()).toEndWith("\rRequests sent/completed/failed: 4/4/0\n");
  });

  test("--debug shows an answer of each status, without the token", async () => {
    const { io } = await measure(loadOf("/alternate", { concurrency: 1 }), { debug: true });
    expect(
      io
        .err()
        .match(/^--- \d+/gm)
        ?.toSorted(),
    ).toEqual(["--- 200", "--- 503"]);
    expect(io.err()).toContain("you sent ***");
    expect(io.err() + io.out()).not.toContain(TOKEN);
  });

  test("is a table unless told otherwise", async () => {
    const io = recordedIo();
    await runBenchmark({ load: loadOf("/timed"), output: "table", debug: false }, io);
    expect(io.out()).toStartWith("Total requests             4\n");
  });
});

const flags: BenchmarkFlags = {
  endpoint: "/v1/chat/completions",
  "token-env": "PROXY_TOKEN",
  requests: "1",
  concurrency: "1",
  json: '{"model":"m"}',
  method: "POST",
  cache: false,
  "cache-ttl": "86400",
  timeout: "120s",
  stream: false,
  output: "table",
  debug: false,
};
const environment = {
  PROXY_TOKEN: TOKEN,
  OTHER_TOKEN: "sk-wt-other",
  PROXY_URL: "http://proxy.example:8080/v1",
};

describe("flags", () => {
  test("are read with their defaults", () => {
    const { load } = readBenchmarkOptions(flags, recordedIo({ environment }));
    expect(load.url).toBe("http://proxy.example:8080/v1/chat/completions");
    expect(load).toMatchObject({ requests: 1, concurrency: 1, timeoutMs: 120_000, body: '{"model":"m"}' });
    expect(load.token.reveal()).toBe(TOKEN);
    expect(load.cacheTtlS).toBeUndefined();
  });

  test("--stream asks for a stream, --cache sends its lifetime, --rate is a number", () => {
    const given = { ...flags, stream: true, cache: true, rate: "0.5", "base-url": "http://other.example" };
    const { load } = readBenchmarkOptions(given, recordedIo({ environment }));
    expect(load).toMatchObject({ body: '{"model":"m","stream":true}', cacheTtlS: 86_400, ratePerS: 0.5 });
    expect(load.url).toBe("http://other.example/v1/chat/completions");
  });

  test("CLI-101 --token-env names another variable; --token warns", () => {
    const io = recordedIo({ environment });
    const other = readBenchmarkOptions({ ...flags, "token-env": "OTHER_TOKEN" }, io);
    expect(other.load.token.reveal()).toBe("sk-wt-other");
    expect(io.err()).toBe("");
    const given = readBenchmarkOptions({ ...flags, token: "sk-wt-flag" }, io);
    expect(given.load.token.reveal()).toBe("sk-wt-flag");
    expect(io.err()).toContain("Warning: --token ");
  });

  const wrong: readonly (readonly [Partial<BenchmarkFlags>, string])[] = [
    [{ "token-env": "MISSING" }, "set MISSING"],
    [{ method: "DELETE" }, "--method 'DELETE'"],
    [{ endpoint: "v1" }, "--endpoint"],
    [{ output: "xml" }, "--output 'xml'"],
    [{ requests: "0" }, "--requests '0'"],
    [{ concurrency: "many" }, "--concurrency 'many'"],
    [{ timeout: "5" }, "--timeout '5'"],
    [{ rate: "0" }, "--rate '0'"],
    [{ cache: true, "cache-ttl": "x" }, "--cache-ttl 'x'"],
    [{ json: undefined }, "No body"],
    [{ json: "{" }, "not JSON"],
    [{ method: "get" }, "GET"],
  ];
  test.each(wrong)("%p are wrong usage", (given, words) => {
    const read = () => readBenchmarkOptions({ ...flags, ...given }, recordedIo({ environment }));
    expect(read).toThrow(UsageError);
    expect(read).toThrow(words);
  });

  test("GET needs no body", () => {
    const given = { ...flags, method: "GET", json: undefined };
    expect(readBenchmarkOptions(given, recordedIo({ environment })).load.body).toBeUndefined();
  });
});
