import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createApp, openLog } from "../../src/app.ts";
import { openStores } from "../../src/app-stores.ts";
import { systemClock } from "../../src/clock.ts";
import { loadConfig } from "../../src/config/load.ts";
import { createMetrics } from "../../src/metrics/metrics.ts";
import type { Result } from "../../src/result.ts";
import { hashToken } from "../../src/token/secret.ts";
import { startApp } from "../harness/app-in-process.ts";
import { caller } from "../harness/store.ts";
import { temporaryDirectory } from "../harness/temporary-directory.ts";
import { openLab } from "../proxy/lab.ts";

/** No provider is asked by what these tests do. */
const upstream = "http://127.0.0.1:9";

function load(cwd: string, settings: Record<string, string>) {
  const environment = { MANAGEMENT_TOKEN: "a-management-token-of-this-test", ...settings };
  return taken(loadConfig({ flags: {}, cwd, environment }));
}

function taken<T>(result: Result<T, unknown>): T {
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}

describe("the audit trail, by setting", () => {
  const rows: [settings: Record<string, string>, file: boolean, status: number][] = [
    [{}, true, 200],
    [{ AUDIT_ENABLED: "false" }, false, 503],
    [{ AUDIT_STORE_IN_DB: "false" }, true, 503],
    [{ AUDIT_LOG_FILE: "off" }, false, 200],
  ];
  test.each(rows)("%j: file %p, GET /manage/audit %p", async (env, hasFile, status) => {
    using home = temporaryDirectory();
    await using app = await startApp({ upstream, env, dataDirectory: home.path });
    await app.newProject();
    expect((await app.manage("GET", "/audit")).status).toBe(status);
    await app.stop();
    const file = join(home.path, "audit.log");
    expect(existsSync(file)).toBe(hasFile);
    if (hasFile) expect(readFileSync(file, "utf8")).toContain('"action":"project.create"');
  });

  test("AUDIT_CREATE_DIR=false: a missing directory of its file stops the start", async () => {
    using home = temporaryDirectory();
    const start = async (creates: string) => {
      const AUDIT_LOG_FILE = join(home.path, "apart", "audit.log");
      const loaded = load(home.path, { AUDIT_LOG_FILE, AUDIT_CREATE_DIR: creates });
      const app = await createApp(loaded, { offline: true });
      if (app.ok) await app.value.close();
      return app.ok ? "started" : app.error.code;
    };
    expect(await start("false")).toBe("audit_file_unwritable");
    expect(await start("true")).toBe("started");
  });
});

describe("LLM_PROXY_ENFORCE_PROJECT_ACTIVE", () => {
  test.each([
    ["true", 403],
    ["false", 200],
  ])("%s: a token of an inactive project gets %p", async (LLM_PROXY_ENFORCE_PROJECT_ACTIVE, status) => {
    await using lab = await openLab({ env: { LLM_PROXY_ENFORCE_PROJECT_ACTIVE } });
    await lab.app.manage("PATCH", `/projects/${lab.project.id}`, { is_active: false });
    expect((await lab.call("/v1/models")).status).toBe(status);
  });
});

test("LOG_FORMAT=console writes lines for people", async () => {
  const linesIn = async (env: Record<string, string>) => {
    await using app = await startApp({ upstream, env });
    await app.newProject();
    await app.stop();
    return app.log().trim().split("\n");
  };
  for (const line of await linesIn({ LOG_FORMAT: "json" })) expect(JSON.parse(line)).toHaveProperty("msg");
  for (const line of await linesIn({ LOG_FORMAT: "console" })) expect(line).toMatch(/^\[?\d\d:\d\d:\d\d/);
});

test("USAGE_STATS_BUFFER_SIZE: records of refused requests above it are dropped and counted, no others", async () => {
  await using lab = await openLab({ env: { USAGE_STATS_BUFFER_SIZE: "1" } });
  await Promise.all(Array.from({ length: 5 }, () => lab.call("/v1/models")));
  const { request_count } = (await lab.app.manage("GET", `/tokens/${lab.tokenId}`)).json;
  expect((await lab.records(5)).length).toBe(5);
  const refused = await Promise.all(Array.from({ length: 5 }, () => lab.call("/v1/..%2fx")));
  expect(refused.map(({ status }) => status)).toEqual(Array(5).fill(400));
  const records = (await lab.records(6)).length - 5;
  const metrics = await (await fetch(`${lab.app.origin}/metrics/prometheus`)).text();
  expect(request_count).toBe(5);
  expect(records).toBeLessThan(5);
  expect(metrics).toMatch(new RegExp(`^llm_proxy_usage_dropped_total ${5 - records}$`, "m"));
});

describe("what is remembered of tokens and of provider keys, by setting", () => {
  /** Asks twice for a token and for the keys of its project: whether the second answer came from memory. */
  async function isRemembered(settings: Record<string, string>) {
    using home = temporaryDirectory();
    const loaded = load(home.path, settings);
    const logger = taken(openLog(loaded.config, true));
    const metrics = createMetrics({ version: "test", clock: systemClock, logLinesDropped: () => 0 });
    const stores = taken(await openStores({ ...loaded, logger, metrics }));
    const { project } = taken(await stores.projects.create({ name: "a", provider: "ollama" }, caller));
    const wanted = { projectId: project.id, durationMinutes: 1 };
    const { text } = taken(await stores.tokens.issue(wanted, caller));
    const asks = [
      () => stores.grants.find(hashToken(text)),
      () => stores.keys.find(project.id, project.provider),
    ];
    const remembered: boolean[] = [];
    for (const ask of asks) {
      await ask();
      const again = ask();
      remembered.push(!(again instanceof Promise));
      await again;
    }
    await stores.close();
    return remembered;
  }
  const rows: [settings: Record<string, string>, token: boolean, keys: boolean][] = [
    [{}, true, true],
    [{ LLM_PROXY_ACTIVE_CACHE_TTL: "0" }, false, true],
    [{ LLM_PROXY_ACTIVE_CACHE_MAX: "0" }, false, true],
    [{ LLM_PROXY_API_KEY_CACHE_TTL: "0" }, true, false],
    [{ LLM_PROXY_API_KEY_CACHE_MAX: "0" }, true, false],
  ];
  test.each(rows)("%j: token %p, keys %p", async (settings, token, keys) => {
    expect(await isRemembered(settings)).toEqual([token, keys]);
  });
});
