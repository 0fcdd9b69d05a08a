import { describe, expect, test } from "bun:test";
import { Secret } from "../src/secret.ts";
import type { Load, Sample } from "./benchmark-load.ts";
import { renderReport, summarise, timesOf } from "./benchmark-report.ts";

const load: Load = {
  url: "http://127.0.0.1/",
  method: "POST",
  token: new Secret("t"),
  body: "{}",
  cacheTtlS: undefined,
  requests: 4,
  concurrency: 2,
  timeoutMs: 1000,
  stream: false,
  ratePerS: undefined,
};

function sample(more: Partial<Sample>): Sample {
  return {
    status: 200,
    totalMs: 10,
    firstEventMs: undefined,
    upstreamMs: undefined,
    cacheHit: undefined,
    excerpt: "",
    ...more,
  };
}

describe("percentiles are nearest-rank", () => {
  test("of 1 to 100", () => {
    const values = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect(timesOf(values)).toEqual({
      avg: 50.5,
      min: 1,
      max: 100,
      p50: 50,
      p90: 90,
      p95: 95,
      p99: 99,
      p90_mean: 45.5,
    });
  });

  test("of few values", () => {
    expect(timesOf([30, 10, 20])).toMatchObject({ p50: 20, p90: 30, p99: 30, p90_mean: 20 });
    expect(timesOf([7])).toEqual({ avg: 7, min: 7, max: 7, p50: 7, p90: 7, p95: 7, p99: 7, p90_mean: 7 });
    expect(timesOf([])).toBeNull();
  });
});

describe("a report", () => {
  const samples = [
    sample({ totalMs: 10, upstreamMs: 4, cacheHit: false }),
    sample({ totalMs: 20, cacheHit: true }),
    sample({ status: 429, totalMs: 1 }),
    sample({ status: undefined, totalMs: 1000 }),
  ];

  test("counts all and times what succeeded; proxy is total minus upstream", () => {
    expect(summarise(load, samples, 2000)).toEqual({
      total_requests: 4,
      concurrency: 2,
      duration_s: 2,
      success: 2,
      failed: 2,
      requests_per_sec: 2,
      latency_ms: expect.objectContaining({ avg: 15, min: 10, max: 20 }),
      upstream_latency_ms: expect.objectContaining({ avg: 4 }),
      proxy_latency_ms: expect.objectContaining({ avg: 6 }),
      cache_hits: 1,
      response_codes: { 200: 2, 429: 1, network_error: 1 },
    });
  });

  test("has the labels that scripts read", () => {
    expect(renderReport(summarise(load, samples, 2000))).toBe(`Total requests             4
Concurrency                2
Duration (s)               2.00
Success                    2
Failed                     2
Requests/sec               2.00
Avg latency                15.00 ms
Min latency                10.00 ms
Max latency                20.00 ms
p50 latency                10.00 ms
p90 latency                20.00 ms
p95 latency                20.00 ms
p99 latency                20.00 ms
p90 mean latency           15.00 ms
Cache hits                 1
Upstream latency avg       4.00 ms
Upstream latency min       4.00 ms
Upstream latency max       4.00 ms
Upstream latency p50       4.00 ms
Upstream latency p90       4.00 ms
Upstream latency p95       4.00 ms
Upstream latency p99       4.00 ms
Upstream latency p90 mean  4.00 ms
Proxy latency avg          6.00 ms
Proxy latency min          6.00 ms
Proxy latency max          6.00 ms
Proxy latency p50          6.00 ms
Proxy latency p90          6.00 ms
Proxy latency p95          6.00 ms
Proxy latency p99          6.00 ms
Proxy latency p90 mean     6.00 ms

Response code              Count
200                        2
429                        1
Network error              1
`);
  });

  test("says N/A where nothing is known, and shows cache and TTFT only where they matter", () => {
    const text = renderReport(summarise(load, [sample({})], 0));
    expect(text).toMatch(/^Upstream latency avg +N\/A$/m);
    expect(text).toMatch(/^Proxy latency p90 mean +N\/A$/m);
    expect(text).not.toMatch(/Cache hits|TTFT|Network error/);
    const asked = { ...load, stream: true, cacheTtlS: 60 };
    const more = renderReport(summarise(asked, [sample({ firstEventMs: 3 })], 1000));
    expect(more).toMatch(/^Cache hits +0$/m);
    expect(more).toMatch(/^TTFT p50 +3\.00 ms$/m);
  });
});
