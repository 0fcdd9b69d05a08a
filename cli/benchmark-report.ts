import type { Load, Sample } from "./benchmark-load.ts";

/** Times of a set of requests, in milliseconds; percentiles by nearest rank. */
export interface Times {
  readonly avg: number;
  readonly min: number;
  readonly max: number;
  readonly p50: number;
  readonly p90: number;
  readonly p95: number;
  readonly p99: number;
  /** Mean of the fastest nine tenths, the one at p90 included. */
  readonly p90_mean: number;
}

/** The report, as `--output json` prints it. Times are those of successful requests; null where none is known. */
export interface Report {
  readonly total_requests: number;
  readonly concurrency: number;
  readonly duration_s: number;
  /** Answers with a 2xx status. */
  readonly success: number;
  readonly failed: number;
  readonly requests_per_sec: number;
  readonly latency_ms: Times | null;
  /** As the proxy measured it; requests whose answer did not say are left out. */
  readonly upstream_latency_ms: Times | null;
  /** Total minus upstream, request by request. */
  readonly proxy_latency_ms: Times | null;
  /** Time to the first event; only where it was asked for. */
  readonly ttft_ms?: Times | null;
  /** Only where a cache was asked for or seen. */
  readonly cache_hits?: number;
  /** By status; `network_error` counts requests without a whole answer. */
  readonly response_codes: Readonly<Record<string, number>>;
}

/** Whether a sample counts as a success. */
export function isSuccess(sample: Sample): boolean {
  return sample.status !== undefined && sample.status >= 200 && sample.status < 300;
}

/** Sums up the samples of one load. */
export function summarise(load: Load, samples: readonly Sample[], durationMs: number): Report {
  const good = samples.filter(isSuccess);
  const withUpstream = good.flatMap(({ totalMs, upstreamMs }) =>
    upstreamMs === undefined ? [] : [{ upstreamMs, proxyMs: Math.max(0, totalMs - upstreamMs) }],
  );
  const showCache = load.cacheTtlS !== undefined || samples.some((sample) => sample.cacheHit !== undefined);
  return {
    total_requests: samples.length,
    concurrency: load.concurrency,
    duration_s: durationMs / 1000,
    success: good.length,
    failed: samples.length - good.length,
    requests_per_sec: durationMs > 0 ? (samples.length * 1000) / durationMs : 0,
    latency_ms: timesOf(good.map((sample) => sample.totalMs)),
    upstream_latency_ms: timesOf(withUpstream.map((sample) => sample.upstreamMs)),
    proxy_latency_ms: timesOf(withUpstream.map((sample) => sample.proxyMs)),
    ...(load.stream ? { ttft_ms: timesOf(good.flatMap((sample) => sample.firstEventMs ?? [])) } : {}),
    ...(showCache ? { cache_hits: samples.filter((sample) => sample.cacheHit).length } : {}),
    response_codes: countCodes(samples),
  };
}

/** Sums up times in milliseconds, in any order; null for none. */
export function timesOf(valuesMs: readonly number[]): Times | null {
  if (valuesMs.length === 0) return null;
  const sorted = valuesMs.toSorted((a, b) => a - b);
  const rank = (percent: number): number => Math.ceil((percent * sorted.length) / 100);
  const percentile = (percent: number): number => sorted[rank(percent) - 1] ?? 0;
  const mean = (values: readonly number[]): number => values.reduce((sum, ms) => sum + ms, 0) / values.length;
  return {
    avg: mean(sorted),
    min: sorted[0] ?? 0,
    max: sorted.at(-1) ?? 0,
    p50: percentile(50),
    p90: percentile(90),
    p95: percentile(95),
    p99: percentile(99),
    p90_mean: mean(sorted.slice(0, rank(90))),
  };
}

function countCodes(samples: readonly Sample[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const { status } of samples) {
    const code = status === undefined ? "network_error" : String(status);
    counts.set(code, (counts.get(code) ?? 0) + 1);
  }
  return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The report as a table for people. */
export function renderReport(report: Report): string {
  const rows: (readonly [label: string, value: string])[] = [
    ["Total requests", String(report.total_requests)],
    ["Concurrency", String(report.concurrency)],
    ["Duration (s)", report.duration_s.toFixed(2)],
    ["Success", String(report.success)],
    ["Failed", String(report.failed)],
    ["Requests/sec", report.requests_per_sec.toFixed(2)],
    ["Avg latency", inMs(report.latency_ms?.avg)],
    ["Min latency", inMs(report.latency_ms?.min)],
    ["Max latency", inMs(report.latency_ms?.max)],
    ["p50 latency", inMs(report.latency_ms?.p50)],
    ["p90 latency", inMs(report.latency_ms?.p90)],
    ["p95 latency", inMs(report.latency_ms?.p95)],
    ["p99 latency", inMs(report.latency_ms?.p99)],
    ["p90 mean latency", inMs(report.latency_ms?.p90_mean)],
    ...(report.ttft_ms === undefined ? [] : timeRows("TTFT", report.ttft_ms)),
    ...(report.cache_hits === undefined ? [] : [["Cache hits", String(report.cache_hits)] as const]),
    ...timeRows("Upstream latency", report.upstream_latency_ms),
    ...timeRows("Proxy latency", report.proxy_latency_ms),
  ];
  const codes = Object.entries(report.response_codes).map(
    ([code, count]) => [code === "network_error" ? "Network error" : code, String(count)] as const,
  );
  const width = Math.max(...rows.map(([label]) => label.length)) + 2;
  const lines = [...rows, ["", ""], ["Response code", "Count"], ...codes] as const;
  return `${lines.map(([label = "", value = ""]) => `${label.padEnd(width)}${value}`.trimEnd()).join("\n")}\n`;
}

function timeRows(name: string, times: Times | null): (readonly [string, string])[] {
  return (["avg", "min", "max", "p50", "p90", "p95", "p99", "p90_mean"] as const).map((figure) => [
    `${name} ${figure.replace("_", " ")}`,
    inMs(times?.[figure]),
  ]);
}

function inMs(ms: number | undefined): string {
  return ms === undefined ? "N/A" : `${ms.toFixed(2)} ms`;
}
