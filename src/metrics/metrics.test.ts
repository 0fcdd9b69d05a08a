import { expect, test } from "bun:test";
import { createFakeClock } from "../../test/harness/fake-clock.ts";
import { createMetrics, type RequestEnd } from "./metrics.ts";

const end: RequestEnd = {
  provider: "openai",
  method: "POST",
  status: 200,
  outcome: "complete",
  errorCode: "",
  durationMs: 120,
  ttfbMs: 80,
  isStream: false,
};

function setUp() {
  const clock = createFakeClock();
  const state = { lost: 0 };
  const metrics = createMetrics({ version: "1.2.3", clock, logLinesDropped: () => state.lost });
  const request = (changes: Partial<RequestEnd> = {}) => {
    metrics.requestStarted();
    metrics.requestEnded({ ...end, ...changes });
  };
  /** Sample lines that begin with the name. */
  const samples = async (name: string) =>
    (await metrics.prometheus()).split("\n").filter((line) => line.startsWith(`llm_proxy_${name}`));
  return { clock, state, metrics, request, samples };
}

test("the JSON form has the names of the contract and counts every answer of both planes", () => {
  const { clock, metrics, request } = setUp();
  request();
  request({ status: 401, errorCode: "token_invalid" });
  metrics.managementEnded(200);
  metrics.managementEnded(404);
  clock.advance(1_500);
  expect(metrics.json()).toEqual({
    uptime_seconds: 1.5,
    request_count: 4,
    error_count: 2,
    cache_hits: 0,
    cache_misses: 0,
    cache_bypass: 0,
    cache_stores: 0,
  });
});

test("the totals stay without labels, the labelled counts stand beside them", async () => {
  const { metrics, request, samples } = setUp();
  request();
  request({ provider: "", status: 429, outcome: "refused", errorCode: "rate_limit_exceeded", ttfbMs: null });
  metrics.managementEnded(500);
  expect(await samples("requests_total")).toEqual(["llm_proxy_requests_total 3"]);
  expect(await samples("errors_total")).toEqual(["llm_proxy_errors_total 2"]);
  expect(await samples("cache_")).toEqual(
    ["hits", "misses", "bypass", "stores"].map((what) => `llm_proxy_cache_${what}_total 0`),
  );
  expect(await samples("http_requests_total")).toEqual([
    'llm_proxy_http_requests_total{provider="openai",method="POST",status="200"} 1',
    'llm_proxy_http_requests_total{provider="none",method="POST",status="429"} 1',
  ]);
  expect(await samples("refusals_total")).toEqual(['llm_proxy_refusals_total{code="rate_limit_exceeded"} 1']);
  expect(await samples("request_outcomes_total")).toEqual([
    'llm_proxy_request_outcomes_total{outcome="complete"} 1',
    'llm_proxy_request_outcomes_total{outcome="refused"} 1',
  ]);
  expect(metrics.contentType).toBe("text/plain; version=0.0.4; charset=utf-8");
});

test("times are in seconds, and where no byte came there is no time to it", async () => {
  const { request, samples } = setUp();
  request({ durationMs: 120, ttfbMs: 80 });
  request({ durationMs: 20 * 60_000, ttfbMs: null });
  expect(await samples("request_duration_seconds_sum")).toEqual([
    'llm_proxy_request_duration_seconds_sum{provider="openai"} 1200.12',
  ]);
  expect(await samples("upstream_ttfb_seconds_count")).toEqual([
    'llm_proxy_upstream_ttfb_seconds_count{provider="openai"} 1',
  ]);
  const buckets = await samples("request_duration_seconds_bucket");
  expect(buckets.find((line) => line.includes('le="0.1"'))).toEndWith(" 0");
  expect(buckets.find((line) => line.includes('le="0.25"'))).toEndWith(" 1");
  expect(buckets.find((line) => line.includes('le="1200"'))).toEndWith(" 2");
});

test("what is under way is counted until it ends", async () => {
  const { metrics, samples } = setUp();
  metrics.requestStarted();
  metrics.requestStarted();
  metrics.streamStarted();
  expect(await samples("requests_in_flight")).toEqual(["llm_proxy_requests_in_flight 2"]);
  expect(await samples("active_streams")).toEqual(["llm_proxy_active_streams 1"]);
  metrics.requestEnded({ ...end, isStream: true });
  metrics.requestEnded(end);
  expect(await samples("requests_in_flight")).toEqual(["llm_proxy_requests_in_flight 0"]);
  expect(await samples("active_streams")).toEqual(["llm_proxy_active_streams 0"]);
});

test("callers cannot make series: odd methods share a label, and past the bound everything does (SEC-106)", async () => {
  const { request, samples } = setUp();
  for (const method of ["BREW", "PROPFIND", 'X"\n'.repeat(50)]) request({ method });
  expect(await samples("http_requests_total")).toEqual([
    'llm_proxy_http_requests_total{provider="openai",method="OTHER",status="200"} 3',
  ]);
  for (let index = 0; index < 3_000; index++) request({ provider: `p${index}` });
  const series = await samples("http_requests_total");
  expect(series.length).toBeLessThanOrEqual(2_001);
  expect(series.at(-1)).toBe(
    'llm_proxy_http_requests_total{provider="other",method="other",status="other"} 1001',
  );
});

test("what goes wrong beside the requests is counted", async () => {
  const { state, metrics, samples } = setUp();
  metrics.usageFlushFailed();
  metrics.usageDropped(4);
  metrics.auditFailed("file", 3);
  metrics.unhandled();
  state.lost = 5;
  for (const [name, value] of [
    ["usage_flush_failures_total", 1],
    ["usage_dropped_total", 4],
    ['audit_failures_total{sink="file"}', 3],
    ["unhandled_errors_total", 1],
    ["log_lines_dropped_total", 5],
  ] as const)
    expect(await samples(name)).toEqual([`llm_proxy_${name} ${value}`]);
});

test("a reading does not change what the next one says", async () => {
  const { state, request, samples } = setUp();
  request();
  state.lost = 2;
  for (let reading = 0; reading < 3; reading++) {
    expect(await samples("requests_total")).toEqual(["llm_proxy_requests_total 1"]);
    expect(await samples("log_lines_dropped_total")).toEqual(["llm_proxy_log_lines_dropped_total 2"]);
  }
});

test("the process tells its version, memory and how late its event loop was", async () => {
  const { samples } = setUp();
  expect(await samples("build_info")).toEqual(['llm_proxy_build_info{version="1.2.3"} 1']);
  for (const name of ["memory_heap_alloc_bytes", "memory_heap_inuse_bytes", "memory_sys_bytes"])
    expect(Number((await samples(name))[0]?.split(" ")[1])).toBeGreaterThan(100_000);

  const lagSeconds = async () => Number((await samples("event_loop_lag_seconds"))[0]?.split(" ")[1]);
  let seen = 0;
  for (let round = 0; round < 50 && seen < 0.05; round++) {
    const untilMs = performance.now() + 120;
    while (performance.now() < untilMs);
    await new Promise((resolve) => setTimeout(resolve, 1));
    seen = await lagSeconds();
  }
  expect(seen).toBeGreaterThanOrEqual(0.05);
  expect(await lagSeconds()).toBeLessThan(seen); // each reading starts anew
});

test("the text is what Prometheus reads: every sample has a name that was declared with help and type", async () => {
  const { request, metrics } = setUp();
  request();
  const lines = (await metrics.prometheus()).split("\n").filter((line) => line !== "");
  const declared = new Set(
    lines.flatMap((line) => /^# TYPE (\w+) (?:counter|gauge|histogram)$/.exec(line)?.[1] ?? []),
  );
  for (const line of lines.filter((one) => !one.startsWith("#"))) {
    const [, name = ""] = /^(\w+?)(?:_bucket|_sum|_count)?(?:\{.*\})? [\d.e+-]+$/.exec(line) ?? [];
    expect(declared).toContain(name);
  }
  expect([...declared].every((name) => name.startsWith("llm_proxy_"))).toBe(true);
});
