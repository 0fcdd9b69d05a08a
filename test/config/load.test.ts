import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { loadProviders, loadSettings, readEnvironment } from "../../src/config/load.ts";
import { directory, key, loaded, problems, token } from "./loaded.ts";

describe("CFG-102: a wrong value stops the start and is named", () => {
  test.each([
    ["ENABLE_METRICS", "flase"],
    ["ENABLE_METRICS", "2"],
    ["REQUEST_TIMEOUT", "60"],
    ["REQUEST_TIMEOUT", "-1s"],
    ["REQUEST_TIMEOUT", "NaN"],
    ["MAX_REQUEST_SIZE", "10k"],
    ["MAX_REQUEST_SIZE", "0"],
    ["MAX_CONCURRENT_REQUESTS", "1e3"],
    ["MAX_CONCURRENT_REQUESTS", " 5"],
    ["MAX_CONCURRENT_REQUESTS", "9007199254740992"],
    ["USAGE_STATS_BUFFER_SIZE", "0"],
    ["LISTEN_ADDR", ":8o80"],
    ["LOG_LEVEL", "verbose"],
    ["DB_DRIVER", "postgres"],
    ["TRUSTED_PROXIES", "10.0.0.0/99"],
    ["METRICS_PATH", "metrics"],
    ["OPENAI_API_URL", "http://169.254.169.254"],
    ["CORS_MAX_AGE", "1.5"],
    ["API_ENV", "prod"],
  ])("%s=%s", (name, value) => {
    const found = problems({ environment: { MANAGEMENT_TOKEN: token, [name]: value } });
    expect(found).toEqual([expect.stringContaining(`${name} ${JSON.stringify(value)} `)]);
  });

  test("an address with a password is shown without it", () => {
    const [problem] = problems({
      environment: { MANAGEMENT_TOKEN: token, OPENAI_API_URL: "https://user:ge/heim@h/?k=geheim" },
    });
    expect(problem).toStartWith("OPENAI_API_URL ");
    expect(problem).not.toContain("heim");
  });

  test("a database that is not in this version is refused without its password", () => {
    const [problem] = problems({
      environment: { MANAGEMENT_TOKEN: token, DATABASE_URL: "postgres://u:geheim@h/db" },
    });
    expect(problem).toBe(
      "DATABASE_URL names a database of scheme postgres, which is not in this version yet: write sqlite:/path/to/llm-proxy.db",
    );
  });
});

describe("names in the environment", () => {
  test("unknown ones that look like ours, and those of earlier versions, are warnings", () => {
    const environment = {
      MANAGEMENT_TOKEN: token,
      LLM_PROXY_ACTIV_CACHE_TTL: "1s",
      LLM_PROXY_ZZZ: "1",
      LLM_PROXY_EVENT_BUS: "local",
      HTTP_CACHE_ENABLED: "true",
      PATH: "/bin",
      LLM_PROXY_SERVICE_HOST: "10.0.0.1",
      LLM_PROXY_PORT_8080_TCP: "tcp://10.0.0.1:8080",
      REDIS_DB: "",
    };
    expect(loaded({ environment }).warnings).toEqual([
      "LLM_PROXY_ACTIV_CACHE_TTL is not a setting (did you mean LLM_PROXY_ACTIVE_CACHE_TTL?)",
      "LLM_PROXY_ZZZ is not a setting",
      expect.stringMatching(/^LLM_PROXY_EVENT_BUS has no effect: /),
      expect.stringMatching(/^HTTP_CACHE_ENABLED has no effect: /),
    ] as string[]);
  });

  test("TLS without both files is refused, as are files without TLS", () => {
    const tls = (environment: Record<string, string>) =>
      problems({ environment: { MANAGEMENT_TOKEN: token, ...environment } });
    expect(tls({ ENABLE_TLS: "true" })).toEqual([
      expect.stringMatching(/^TLS_CERT_FILE is not set, which ENABLE_TLS demands/),
      expect.stringMatching(/^TLS_KEY_FILE is not set, which ENABLE_TLS demands/),
    ]);
    expect(tls({ TLS_KEY_FILE: "/x" })).toEqual([
      expect.stringMatching(/^TLS_KEY_FILE has no effect without ENABLE_TLS=true/),
    ]);
    expect(tls({ TLS_MIN_VERSION: "1.1" })).toEqual([expect.stringContaining("is not one of 1.2, 1.3")]);
    expect(tls({ ENABLE_TLS: "false" })).toEqual([]);
  });

  test("a setting that a command does not read cannot stop it", () => {
    const environment = { MANAGEMENT_TOKEN: token, DURATION: "long", VERBOSE: "very", MODEL: "x" };
    expect(loaded({ environment }).config.model).toBe("gpt-4.1-mini");
    const chat = loadSettings({ flags: {}, environment, cwd: directory(), groups: ["chat"] });
    expect(chat.ok ? [] : chat.error.map(({ name }) => name)).toEqual(["VERBOSE"]);
  });

  test("the environment of this process is what is read by default", () => {
    expect(readEnvironment()["PATH"]).toBe(process.env["PATH"] as string);
  });
});

describe("settings that hang together", () => {
  test("DEBUG is LOG_LEVEL=debug", () => {
    const { config, origins } = loaded({
      flags: { debug: true },
      environment: { MANAGEMENT_TOKEN: token, LOG_LEVEL: "error" },
    });
    expect([config.logLevel, origins.logLevel]).toEqual(["debug", "flag --debug"]);
    expect(loaded({ flags: { debug: false } }).config.logLevel).toBe("info");
  });

  test("DATABASE_URL says where the database is, unless a higher source names a path", () => {
    const environment = { MANAGEMENT_TOKEN: token, DATABASE_URL: "sqlite:///var/a.db" };
    expect(loaded({ environment }).config.databasePath).toBe("/var/a.db");
    expect(loaded({ environment, flags: { databasePath: "/b.db" } }).config.databasePath).toBe("/b.db");
    expect(
      loaded({ environment, flags: { config: "s" } }, { s: "database_path: /c.db\n" }).config.databasePath,
    ).toBe("/var/a.db");
    expect(problems({ environment: { ...environment, DATABASE_PATH: "/b.db" } })).toEqual([
      "DATABASE_URL is set beside DATABASE_PATH: keep one of them",
    ]);
  });

  test("relative paths start at the working directory", () => {
    const cwd = directory();
    const { config } = loaded({
      cwd,
      environment: { MANAGEMENT_TOKEN: token, DATA_DIR: "d", LOG_FILE: "l/x.log" },
    });
    expect([config.dataDir, config.databasePath, config.logFile]).toEqual([
      join(cwd, "d"),
      join(cwd, "d/llm-proxy.db"),
      join(cwd, "l/x.log"),
    ]);
  });

  test("a dollar in the data directory's name stays as it is", () => {
    expect(loaded({ environment: { MANAGEMENT_TOKEN: token, DATA_DIR: "/d$&d" } }).config.databasePath).toBe(
      "/d$&d/llm-proxy.db",
    );
  });

  test.each([
    [{ API_ENV: "production" }, ["ENCRYPTION_KEY is not set, which API_ENV=production demands"]],
    [{ API_ENV: "production", ENCRYPTION_KEY: key }, []],
    [
      { API_ENV: "production", ENCRYPTION_KEY: key, MANAGEMENT_TOKEN: "x".repeat(31) },
      ["MANAGEMENT_TOKEN has fewer than the 32 characters that API_ENV=production demands"],
    ],
    [{ REQUIRE_ENCRYPTION_KEY: "true" }, ["ENCRYPTION_KEY is not set, which REQUIRE_ENCRYPTION_KEY demands"]],
    [
      { REQUIRE_ENCRYPTION_KEY: "true", ENCRYPTION_KEY: "short" },
      ["ENCRYPTION_KEY is not base64 of 32 bytes"],
    ],
    [{ DAEMON: "true" }, ["LOG_FILE is not set, which a server in the background needs"]],
    [{ DAEMON: "true", LOG_FILE: "x.log" }, []],
    [{ METRICS_PATH: "/manage/metrics" }, ['METRICS_PATH "/manage/metrics" lies under a path that is taken']],
    [{ MANAGEMENT_LISTEN_ADDR: ":8080" }, ["MANAGEMENT_LISTEN_ADDR is the same as LISTEN_ADDR"]],
    [{ MANAGEMENT_LISTEN_ADDR: ":0", LISTEN_ADDR: ":0" }, []],
  ] as [Record<string, string>, string[]][])("%j", (environment, expected) => {
    const found = problems({ environment: { MANAGEMENT_TOKEN: token, ...environment } });
    expect(found).toEqual(
      expected.map((start) => expect.stringMatching(new RegExp(`^${RegExp.escape(start)}`))) as string[],
    );
  });
});

describe("which provider file", () => {
  const own =
    "apis:\n  own:\n    base_url: http://127.0.0.1:1\n    allowed_methods: [GET]\n    allowed_endpoints: ['/*']\n";

  test("the one in the binary, where none is set and ./config/api_providers.yaml is absent", () => {
    const { providers, providerSource } = loaded();
    expect([providerSource, providers.defaultName, providers.byName.size]).toEqual([
      "built in",
      "openai",
      13,
    ]);
  });

  test("./config/api_providers.yaml, where it exists", () => {
    const { providers, providerSource } = loaded({}, { "config/api_providers.yaml": own });
    expect(providerSource).toEndWith("/config/api_providers.yaml");
    expect(providers.defaultName).toBe("own");
  });

  test("one that was named and is not there stops the start, and the embedded one does not step in", () => {
    const cwd = directory();
    expect(problems({ cwd, environment: { MANAGEMENT_TOKEN: token, API_CONFIG_PATH: "gone.yaml" } })).toEqual(
      [`${cwd}/gone.yaml: the provider file does not exist`],
    );
  });

  test("OPENAI_API_URL moves openai of the embedded file, and beside a file it is a warning", () => {
    const environment = { MANAGEMENT_TOKEN: token, OPENAI_API_URL: "http://127.0.0.1:9/llm/" };
    const openai = loaded({ environment }).providers.byName.get("openai");
    expect([openai?.origin, openai?.basePath]).toEqual(["http://127.0.0.1:9", "/llm"]);
    const beside = loaded({ environment }, { "config/api_providers.yaml": own });
    expect(beside.warnings).toEqual([
      `OPENAI_API_URL has no effect beside a provider file: set base_url in ${beside.providerSource}`,
    ]);
  });

  test("settings and provider file are wrong at once, and both are said", () => {
    const found = problems(
      { environment: { MANAGEMENT_TOKEN: token, LOG_LEVEL: "x" } },
      { "config/api_providers.yaml": "apis: {}\n" },
    );
    expect(found).toEqual([
      expect.stringMatching(/^LOG_LEVEL /),
      expect.stringMatching(/api_providers\.yaml:1: apis must be a map of one provider or more$/),
    ] as string[]);
  });

  test("commands that open the database themselves load the providers alone", () => {
    const cwd = directory({ "config/api_providers.yaml": own });
    const settings = loadSettings({ flags: {}, environment: {}, cwd });
    const result = settings.ok && loadProviders(settings.value.config, cwd);
    expect(result !== false && result.ok && result.value.providers.defaultName).toBe("own");
    const broken =
      settings.ok && loadProviders({ ...settings.value.config, apiConfigPath: join(cwd, "gone") }, cwd);
    expect(broken !== false && broken.ok).toBe(false);
  });

  test("DEFAULT_API_PROVIDER chooses, and one that is not there stops the start", () => {
    expect(
      loaded({ environment: { MANAGEMENT_TOKEN: token, DEFAULT_API_PROVIDER: "groq" } }).providers
        .defaultName,
    ).toBe("groq");
    expect(problems({ environment: { MANAGEMENT_TOKEN: token, DEFAULT_API_PROVIDER: "opnai" } })).toEqual([
      'built in:4: no provider is called "opnai", as DEFAULT_API_PROVIDER says (did you mean openai?)',
    ]);
  });
});
