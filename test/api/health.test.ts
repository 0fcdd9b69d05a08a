import { describe, expect, test } from "bun:test";
import { Secret } from "../../src/secret.ts";
import { startServer } from "./test-server.ts";

test("health says ok, when, and which version", async () => {
  await using server = await startServer();
  const response = await fetch(`${server.base}/health`);
  expect(await response.json()).toEqual({
    status: "ok",
    timestamp: new Date(server.clock.now()).toISOString(),
    version: "9.9.9",
  });
});

test("live and ready are plain words", async () => {
  await using server = await startServer();
  for (const [path, word] of [
    ["/live", "alive"],
    ["/ready", "ready"],
    ["/ready/", "ready"],
  ] as const) {
    const response = await fetch(server.base + path);
    expect([response.status, await response.text()]).toEqual([200, word]);
    expect(response.headers.get("content-type")).toStartWith("text/plain");
  }
});

test("not ready while the database cannot be written, alive all the same", async () => {
  let database = "database_full";
  await using server = await startServer({
    server: { storage: async () => ({ database, disk: "ok", freeBytes: 5e6 }) },
  });
  const ready = await fetch(`${server.base}/ready`);
  expect([ready.status, await ready.text()]).toEqual([503, "not ready"]);
  expect((await fetch(`${server.base}/live`)).status).toBe(200);
  database = "ok";
  expect((await fetch(`${server.base}/ready`)).status).toBe(200);
});

test("not ready once the shutdown has begun", async () => {
  await using server = await startServer();
  server.server.drain();
  expect((await fetch(`${server.base}/ready`)).status).toBe(503);
  expect((await fetch(`${server.base}/health`)).status).toBe(200);
});

describe("metrics", () => {
  test("are JSON with the names of the contract, and count every answer", async () => {
    await using server = await startServer();
    await fetch(`${server.base}/health`);
    await fetch(`${server.base}/manage/projects`);
    const response = await fetch(`${server.base}/metrics`);
    expect(response.headers.get("content-type")).toStartWith("application/json");
    expect(await response.json()).toEqual({
      uptime_seconds: 0,
      request_count: 2,
      error_count: 1,
      cache_hits: 0,
      cache_misses: 0,
      cache_bypass: 0,
      cache_stores: 0,
    });
  });

  test.each([
    ["/metrics/prometheus", "*/*"],
    ["/metrics", "text/plain"],
    ["/metrics", "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"],
  ])("%s for %s is Prometheus text", async (path, accept) => {
    await using server = await startServer();
    const response = await fetch(server.base + path, { headers: { accept } });
    expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(await response.text()).toContain("\nllm_proxy_requests_total ");
  });

  test("ask for METRICS_TOKEN where there is one", async () => {
    await using server = await startServer({ server: { metricsToken: new Secret("the-metrics-token") } });
    for (const path of ["/metrics", "/metrics/prometheus"]) {
      const ask = async (authorization?: string) =>
        (await fetch(server.base + path, { headers: { ...(authorization && { authorization }) } })).status;
      expect(await ask()).toBe(401);
      expect(await ask("Bearer ")).toBe(401);
      expect(await ask("Bearer the-metrics-toke")).toBe(401);
      expect(await ask("bearer the-metrics-token")).toBe(200);
    }
  });

  test("can be moved, and what was theirs is the data plane's then", async () => {
    await using server = await startServer({ server: { metricsPath: "/internal/stats" } });
    expect((await fetch(`${server.base}/internal/stats`)).headers.get("content-type")).toContain("json");
    expect((await fetch(`${server.base}/internal/stats/prometheus`)).status).toBe(200);
    expect((await fetch(`${server.base}/metrics`)).headers.get("x-plane")).toBe("data");
  });

  test("are 404 where they are switched off", async () => {
    await using server = await startServer({ server: { isMetricsEnabled: false } });
    for (const path of ["/metrics", "/metrics/prometheus"])
      expect((await fetch(server.base + path)).status).toBe(404);
    expect(server.seen).toEqual([]);
  });
});

test("SEC-106: what anybody may ask names no project, token or address", async () => {
  await using server = await startServer();
  const project = await server.newProject({ name: "team-secret-name" });
  const token = await server.newToken(project.id);
  const paths = [
    "/health",
    "/ready",
    "/live",
    "/metrics",
    "/metrics/prometheus",
    "/docs",
    "/docs/json",
    "/nothing",
  ];
  for (let index = 0; index < 50; index++)
    await fetch(`${server.base}/manage/x${index}`, { headers: { "user-agent": `agent-${index}` } });
  for (const path of paths) {
    const text = await (await fetch(server.base + path)).text();
    for (const inside of [
      project.id,
      token.id,
      "team-secret-name",
      "127.0.0.1",
      "agent-7",
      "/manage/x7",
      import.meta.dir,
    ])
      expect(text).not.toContain(inside);
  }
});
