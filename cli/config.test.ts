import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { newCanary } from "../test/harness/canary.ts";
import { recordedIo } from "../test/harness/recorded-io.ts";
import { temporaryDirectory } from "../test/harness/temporary-directory.ts";
import { checkConfig, listProviders, showConfig } from "./config.ts";
import { argsOf, readFlags, writeFlags } from "./config-flags.ts";
import { runMain } from "./main.ts";

const secret = "0123456789abcdef0123456789abcdef";

describe("config show", () => {
  test("tells each value and where it came from: flag, environment, env file, settings file, default (CFG-104)", () => {
    using directory = temporaryDirectory();
    const envFile = join(directory.path, "my.env");
    const settingsFile = join(directory.path, "llm-proxy.yaml");
    writeFileSync(envFile, "LISTEN_ADDR=:2\nLOG_LEVEL=warn\nLOG_FORMAT=console\n");
    writeFileSync(
      settingsFile,
      "listen_addr: ':3'\nlog_level: error\nlog_format: json\ndefault_api_provider: groq\n",
    );
    const io = recordedIo({ environment: { LISTEN_ADDR: ":1", LOG_LEVEL: "debug" } });
    const flags = { listenAddr: ":0", env: envFile, config: settingsFile };
    showConfig({ flags, json: true }, io);
    const rows = new Map(
      JSON.parse(io.out()).map((row: { name: string; value: string; origin: string }) => [
        row.name,
        `${row.value} from ${row.origin}`,
      ]),
    );
    expect(rows.get("LISTEN_ADDR")).toBe("0.0.0.0:0 from flag --addr");
    expect(rows.get("LOG_LEVEL")).toBe("debug from environment");
    expect(rows.get("LOG_FORMAT")).toBe(`console from ${envFile}:3`);
    expect(rows.get("DEFAULT_API_PROVIDER")).toBe(`groq from ${settingsFile}:4`);
    expect(rows.get("SHUTDOWN_TIMEOUT")).toBe("30s from default");
    expect(rows.get("LOG_FILE")).toBe("null from default");
  });

  test("shows no secret, as a table or as JSON", () => {
    const canary = newCanary("management-token");
    for (const json of [true, false]) {
      const io = recordedIo({ environment: { MANAGEMENT_TOKEN: canary, LLM_PROXY_NONSENSE: "x" } });
      showConfig({ flags: {}, json }, io);
      expect(io.out()).not.toContain(canary);
      expect(io.out()).toContain("***");
      expect(io.err()).toContain("Warning: LLM_PROXY_NONSENSE is not a setting");
    }
  });
});

describe("config check", () => {
  test("says OK with the providers, and warnings apart", () => {
    const io = recordedIo({ environment: { MANAGEMENT_TOKEN: "short" } });
    checkConfig({ flags: {}, json: false }, io);
    expect(io.out()).toMatch(/^OK\nProviders \(built in\): openai, .*; default openai\n$/);
    expect(io.err()).toContain("fewer than 16 characters");
  });

  test("tells every problem at once, with file, line, suggestion and code", () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, "llm-proxy.yaml");
    writeFileSync(file, "# mine\nlog_levle: info\nlisten_addr: nowhere\n");
    const io = recordedIo({ environment: {} });
    const check = (json: boolean) => checkConfig({ flags: { config: file }, json }, io);
    for (const text of [
      `${file}:2: log_levle`,
      "did you mean log_level?",
      `${file}:3: `,
      "MANAGEMENT_TOKEN",
      "[missing]",
    ]) {
      expect(() => check(false)).toThrow(text);
    }
    expect(io.out()).toBe("");
    expect(() => check(true)).toThrow("log_levle");
    const { ok, problems } = JSON.parse(io.out());
    expect(ok).toBe(false);
    expect(problems).toContainEqual(
      expect.objectContaining({ code: "unknown_name", file, line: 2, name: "log_levle" }),
    );
  });

  test("as JSON says ok and lists warnings", () => {
    const io = recordedIo({ environment: { MANAGEMENT_TOKEN: secret, REDIS_ADDR: "x" } });
    checkConfig({ flags: {}, json: true }, io);
    const { ok, problems, warnings } = JSON.parse(io.out());
    expect({ ok, problems }).toEqual({ ok: true, problems: [] });
    expect(warnings).toEqual([expect.stringContaining("REDIS_ADDR")]);
  });
});

describe("config providers", () => {
  const file = `default_api: b
apis:
  a: { base_url: "https://a.example/x", allowed_methods: [GET], allowed_endpoints: ["/v1"], static_headers: { x-hidden: canary } }
  b: { base_url: "http://b.example", auth: { scheme: header, name: x-key, prefix: "Key " }, allowed_methods: [GET], allowed_endpoints: ["/v1", "/v2"] }
  c: { base_url: "http://c.example", auth: { scheme: query, name: key }, dialect: gemini, allowed_methods: [GET], allowed_endpoints: ["/v1"] }
  d: { base_url: "http://d.example", auth: none, allowed_methods: [GET], allowed_endpoints: ["/v1"] }
`;

  test("lists what is configured, without static headers and without needing a management token", () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "providers.yaml");
    writeFileSync(path, file);
    const io = recordedIo({ environment: { API_CONFIG_PATH: path } });
    listProviders({ flags: {}, json: true }, io);
    expect(JSON.parse(io.out())).toMatchObject([
      { name: "a", base_url: "https://a.example/x", dialect: "openai", auth: "bearer", default: false },
      { name: "b", auth: "x-key: Key", allowed_endpoints: ["/v1", "/v2"], default: true },
      { name: "c", auth: "?key=", dialect: "gemini" },
      { name: "d", auth: "none" },
    ]);
    const table = recordedIo({ environment: { API_CONFIG_PATH: path } });
    listProviders({ flags: {}, json: false }, table);
    expect(table.out()).toMatch(/^b \* +http:\/\/b\.example +openai +x-key: Key +2$/m);
    expect(io.out() + table.out()).not.toContain("canary");
  });

  test("prints the provider file of the binary, which a file of one's own can start from", async () => {
    using directory = temporaryDirectory();
    const print = recordedIo({ environment: {} });
    expect(await runMain(["config", "providers", "--default-file"], print)).toBe(0);
    const path = join(directory.path, "providers.yaml");
    writeFileSync(path, print.out());
    const own = recordedIo({ environment: { API_CONFIG_PATH: path, MANAGEMENT_TOKEN: secret } });
    expect(await runMain(["config", "check"], own)).toBe(0);
    expect(own.out()).toContain(`Providers (${path}): openai, anthropic, gemini`);
    const list = recordedIo({ environment: {} });
    expect(await runMain(["config", "providers", "--json"], list)).toBe(0);
    expect(JSON.parse(list.out()).length).toBeGreaterThan(10);
    const shown = recordedIo({ environment: {} });
    expect(await runMain(["config", "show", "--addr", ":7"], shown)).toBe(0);
    expect(shown.out()).toMatch(/^LISTEN_ADDR +0\.0\.0\.0:7 +flag --addr$/m);
  });
});

test("flags go through a command line unchanged", () => {
  const flags = { listenAddr: ":1", daemon: false, env: "a b.env" };
  expect(writeFlags("server", flags)).toEqual(["--addr=:1", "--daemon=false", "--env=a b.env"]);
  expect(readFlags("server", { addr: ":1", daemon: false, env: "a b.env", json: true })).toEqual(flags);
  expect(argsOf("server")["daemon"]).toMatchObject({ type: "boolean", alias: ["d"] });
});
