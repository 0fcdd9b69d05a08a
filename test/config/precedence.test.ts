import { describe, expect, test } from "bun:test";
import { describeConfig, loadSettings } from "../../src/config/load.ts";
import { directory, key, loaded, problems, token } from "./loaded.ts";

describe("CFG-104: precedence", () => {
  const files = {
    "named.env": "LOG_LEVEL=error\nMAX_REQUEST_SIZE=3KiB\nSHUTDOWN_TIMEOUT=3s\n",
    "s.yaml": "log_level: debug\nmax_request_size: 4KiB\nshutdown_timeout: 4s\ntoken_cleanup_interval: 4m\n",
  };

  test("flags go before the environment, that before the env file, that before the settings file, that before defaults", () => {
    const { config, origins } = loaded(
      {
        flags: { logLevel: "warn", env: "named.env", config: "s.yaml" },
        environment: { MANAGEMENT_TOKEN: token, LOG_LEVEL: "info", MAX_REQUEST_SIZE: "2KiB" },
      },
      files,
    );
    expect([config.logLevel, origins.logLevel]).toEqual(["warn", "flag --log-level"]);
    expect([config.maxRequestBytes, origins.maxRequestBytes]).toEqual([2048, "environment"]);
    expect([config.shutdownTimeoutMs, origins.shutdownTimeoutMs]).toEqual([3000, "named.env:3"]);
    expect([config.tokenCleanupIntervalMs, origins.tokenCleanupIntervalMs]).toEqual([240_000, "s.yaml:4"]);
    expect([config.corsMaxAgeS, origins.corsMaxAgeS]).toEqual([86_400, "default"]);
  });

  test("an empty value in a higher source lets the lower one through", () => {
    const input = {
      flags: { logLevel: "", config: "s.yaml" },
      environment: { MANAGEMENT_TOKEN: token, LOG_LEVEL: " " },
    };
    expect(loaded(input, files).origins.logLevel).toBe("s.yaml:1");
  });

  test("a wrong value that a higher source overrules does not stop the start", () => {
    expect(
      problems({ flags: { logLevel: "warn" }, environment: { MANAGEMENT_TOKEN: token, LOG_LEVEL: "loud" } }),
    ).toEqual([]);
  });

  test("config show tells value and origin of every setting, with secrets masked", () => {
    const all = loaded({
      environment: {
        MANAGEMENT_TOKEN: token,
        ENCRYPTION_KEY: key,
        LISTEN_ADDR: "[::1]:80",
        AUDIT_LOG_FILE: "off",
      },
    });
    const rows = new Map(describeConfig(all).map((row) => [row.env, [row.value, row.origin]]));
    expect(rows.get("MANAGEMENT_TOKEN")).toEqual(["***", "environment"]);
    expect(rows.get("LISTEN_ADDR")).toEqual(["[::1]:80", "environment"]);
    expect(rows.get("AUDIT_LOG_FILE")).toEqual(["off", "environment"]);
    expect(rows.get("LOG_FILE")).toEqual(["", "default"]);
    expect(rows.get("CORS_MAX_AGE")).toEqual(["24h", "default"]);
    const text =
      JSON.stringify([...rows]) + Bun.inspect(all) + JSON.stringify({ ...all, pricing: undefined });
    expect(text).not.toContain(token);
    expect(text).not.toContain(key);
  });
});

describe("where an env file comes from", () => {
  test("CFG-103: files of the working directory that nobody named are not read", () => {
    const files = {
      ".env": "MANAGEMENT_TOKEN=evil\n",
      ".env.local": "LOG_LEVEL=error\n",
      "llm-proxy.env": "LOG_LEVEL=error\n",
      "llm-proxy.yaml": "log_level: error\n",
    };
    expect(problems({ environment: {} }, files)).toEqual([
      expect.stringMatching(/^MANAGEMENT_TOKEN is not set/),
    ]);
    expect(loaded({}, files).config.logLevel).toBe("info");
  });

  test("the one in the data directory is read, wherever that was named", () => {
    const files = {
      "d/llm-proxy.env": `MANAGEMENT_TOKEN=${token}\n`,
      "data/llm-proxy.env": "LOG_LEVEL=error\n",
      "s.yaml": "data_dir: d\n",
    };
    for (const input of [
      { flags: { dataDir: "d" } },
      { environment: { DATA_DIR: "d" } },
      { flags: { config: "s.yaml" } },
    ]) {
      const { config, origins } = loaded({ environment: {}, ...input }, files);
      expect(config.managementToken?.reveal()).toBe(token);
      expect(origins.managementToken).toBe("d/llm-proxy.env:1");
      expect(config.logLevel).toBe("info");
    }
  });

  test("DATA_DIR in the env file of the data directory has no effect and that is said", () => {
    const { config, warnings } = loaded({}, { "data/llm-proxy.env": "DATA_DIR=elsewhere\n" });
    expect(config.dataDir).toEndWith("/data");
    expect(warnings).toEqual([
      "data/llm-proxy.env:1: DATA_DIR has no effect in the env file of the data directory itself",
    ]);
  });

  test("DATA_DIR in a named env file moves everything that lies there", () => {
    const { config } = loaded({ flags: { env: "x.env" } }, { "x.env": "DATA_DIR=/var/lib/llm\n" });
    expect([config.databasePath, config.auditLogFile, config.pidFile]).toEqual([
      "/var/lib/llm/llm-proxy.db",
      "/var/lib/llm/audit.log",
      "/var/lib/llm/server.pid",
    ]);
  });

  test("ENV counts only if it names a file, else it is a warning", () => {
    const files = { "x.env": "LOG_LEVEL=error\n" };
    expect(loaded({ environment: { MANAGEMENT_TOKEN: token, ENV: "x.env" } }, files).config.logLevel).toBe(
      "error",
    );
    const { config, warnings } = loaded(
      { environment: { MANAGEMENT_TOKEN: token, ENV: "production" } },
      files,
    );
    expect([config.logLevel, warnings]).toEqual([
      "info",
      ['ENV names no file ("production") and is not used'],
    ]);
  });

  test("one in the data directory that cannot be read stops a server; a client leaves it out and says so", () => {
    const cwd = directory({ "data/llm-proxy.env": "#".repeat(1024 * 1024 + 1) });
    expect(problems({ cwd })).toEqual(["data/llm-proxy.env: the env file is larger than 1 MiB"]);
    const client = loadSettings({ flags: {}, environment: {}, cwd, groups: ["client"] });
    expect(client.ok && client.value.warnings).toEqual([
      "data/llm-proxy.env: the env file is larger than 1 MiB and is left out",
    ]);
  });

  test("--env of a file that is not there stops", () => {
    expect(problems({ flags: { env: "gone.env" } })).toEqual(["gone.env: the env file does not exist"]);
  });

  test("what is wrong inside an env file is said with its line; unknown names are warnings", () => {
    const files = {
      "x.env": "LOG_LEVL=info\nnonsense\nREDIS_ADDR=x\nLOG_LEVEL=loud\nBUN_CONFIG_MAX_HTTP_REQUESTS=4096\n",
    };
    expect(problems({ flags: { env: "x.env" } }, files)).toEqual([
      "x.env:2: this line is not NAME=value, a comment or empty",
      'x.env:4: LOG_LEVEL "loud" is not one of debug, info, warn, error',
    ]);
    const harmless = { "x.env": "LOG_LEVL=info\nREDIS_ADDR=x\nBUN_CONFIG_MAX_HTTP_REQUESTS=4096\n" };
    expect(loaded({ flags: { env: "x.env" } }, harmless).warnings).toEqual([
      "x.env:1: LOG_LEVL is not a setting (did you mean LOG_LEVEL?)",
      "x.env:2: REDIS_ADDR has no effect: Redis is not in this version yet; a single server needs none",
    ]);
  });
});

describe("the settings file", () => {
  test("CFG-104: all problems come at once, with file, line and a suggestion", () => {
    const yaml = [
      "log_levl: info",
      "log_level: loud",
      "redis_addr: x",
      "cors_allowed_origins: [https://a.example, b]",
      "listen_addr: [a]",
      "metrics_path: {a: b}",
    ].join("\n");
    expect(problems({ flags: { config: "s.yaml" } }, { "s.yaml": yaml }).sort()).toEqual([
      "s.yaml:1: log_levl is not a setting (did you mean log_level?)",
      's.yaml:2: log_level "loud" is not one of debug, info, warn, error',
      "s.yaml:3: redis_addr is not a setting: Redis is not in this version yet; a single server needs none",
      expect.stringMatching(
        /^s\.yaml:4: cors_allowed_origins "https:\/\/a\.example,b" holds an entry that is not an origin/,
      ),
      "s.yaml:5: listen_addr takes one value, not a list or a map",
      "s.yaml:6: metrics_path takes one value, not a list or a map",
    ] as string[]);
  });

  test("lists may be YAML lists, switches YAML words, and blank or null is not set", () => {
    const yaml =
      "cors_allowed_origins:\n  - https://a.example\n  - https://b.example\ntrusted_proxies: []\nenable_metrics: no\nlog_file: ~\nlog_level:\naudit_log_file: none\n";
    const { config } = loaded({ flags: { config: "s.yaml" } }, { "s.yaml": yaml });
    expect(config.corsAllowedOrigins).toEqual(["https://a.example", "https://b.example"]);
    expect(config.trustedProxies).toEqual([]);
    expect([config.enableMetrics, config.logFile, config.logLevel, config.auditLogFile]).toEqual([
      false,
      undefined,
      "info",
      undefined,
    ]);
  });

  test.each([
    ["", []],
    ["- a\n", ["s.yaml:1: the settings file is not a list of key: value"]],
    ["text\n", ["s.yaml:1: the settings file is not a list of key: value"]],
    ["log_level: info\nlog_level: warn\n", ["s.yaml:2: the key log_level is set twice: remove one"]],
    ["log_level: info\n\tdebug: true\n", [expect.stringContaining("s.yaml:2: a tab indents this line")]],
  ])("%j", (yaml, expected) => {
    expect(problems({ flags: { config: "s.yaml" } }, { "s.yaml": yaml })).toEqual(expected as string[]);
  });

  test("one that is not there, is a directory or is too large stops", () => {
    const files = { "d/x": "", "large.yaml": "#".repeat(1024 * 1024 + 1) };
    expect(problems({ flags: { config: "gone.yaml" } }, files)).toEqual([
      "gone.yaml: the settings file does not exist",
    ]);
    expect(problems({ flags: { config: "d" } }, files)).toEqual(["d: the settings file is a directory"]);
    expect(problems({ flags: { config: "large.yaml" } }, files)).toEqual([
      "large.yaml: the settings file is larger than 1 MiB",
    ]);
  });

  const providerFile =
    "apis:\n  own:\n    base_url: http://127.0.0.1:1\n    allowed_methods: [GET]\n    allowed_endpoints: ['/*']\n";

  test("one with apis at its top is the provider file, as in earlier versions", () => {
    const { providers, providerSource, origins } = loaded(
      { flags: { config: "p.yaml" } },
      { "p.yaml": providerFile },
    );
    expect([...providers.byName.keys()]).toEqual(["own"]);
    expect(providerSource).toEndWith("/p.yaml");
    expect(origins.apiConfigPath).toBe("flag --config");
  });

  test("such a one beside --api-config-path is a conflict", () => {
    const input = { flags: { config: "p.yaml", apiConfigPath: "q.yaml" } };
    expect(problems(input, { "p.yaml": providerFile })).toEqual([
      "--config is a provider file, and --api-config-path names one as well: keep one of them",
    ]);
  });
});
