// biome-ignore-all lint/style/noExcessiveLinesPerFile: the one table of all settings is long because they are many
import { checkHeaderName, checkMethod, checkOrigin } from "./http-words.ts";
import type { Kind } from "./kinds.ts";
import {
  address,
  baseUrl,
  boolean,
  checkDatabaseUrl,
  checkKey32,
  checkNetwork,
  choice,
  databaseDriver,
  decimal,
  duration,
  durationIn,
  httpUrl,
  integer,
  list,
  path,
  pathOrOff,
  secret,
  size,
  text,
  urlPath,
} from "./kinds.ts";

/**
 * Who reads a setting: the server; `client`: commands that talk to the management API; `store`: commands that open
 * the database themselves; `chat`; `setup`. A setting that a command does not read keeps its default there.
 */
export type Group = "server" | "client" | "store" | "chat" | "setup";

/** One row of the table. */
export interface Setting<T = unknown> {
  /** In the environment and in env files; a secret can also come from the file that `<env>_FILE` names. */
  readonly env: string;
  readonly kind: Kind<T>;
  /** In the grammar of `kind`; `$DATA_DIR` stands for that setting. None: the setting may be undefined. */
  readonly default: string | undefined;
  /** One sentence for help and reference. */
  readonly about: string;
  readonly groups: readonly Group[];
  /** Where it is not the file key with dashes. */
  readonly flag: string | undefined;
  readonly short: string | undefined;
  readonly flagAliases: readonly string[];
}

type Rest = Pick<Setting, "about"> & Partial<Pick<Setting, "groups" | "flag" | "short" | "flagAliases">>;

function row<T>(env: string, kind: Kind<T>, rest: Rest & { readonly default: string }): Setting<T>;
function row<T>(env: string, kind: Kind<T>, rest: Rest): Setting<T | undefined>;
function row(env: string, kind: Kind<unknown>, rest: Rest & { readonly default?: string }): Setting {
  return {
    default: undefined,
    flag: undefined,
    short: undefined,
    flagAliases: [],
    groups: ["server"],
    ...rest,
    env,
    kind,
  };
}

const everybody: readonly Group[] = ["server", "client", "store", "chat", "setup"];
/** A hundred years. */
const retentionMsMax = 876_000 * 3_600_000;
const opensStore: readonly Group[] = ["server", "store", "setup"];

/**
 * THE table of all settings. One row is a setting: its type in `Config`, its flag, its names in the environment and
 * in the settings file, and its line in docs/configuration.md all follow from here.
 */
export const settings = {
  // Secrets and safety
  managementToken: row("MANAGEMENT_TOKEN", secret(), {
    about: "The credential of the management API. The server does not start without one.",
    groups: ["server", "client", "setup"],
  }),
  encryptionKey: row("ENCRYPTION_KEY", secret(checkKey32), {
    about: "Base64 of the 32 bytes that seal provider keys; without it a key is made in the data directory.",
    groups: opensStore,
  }),
  requireEncryptionKey: row("REQUIRE_ENCRYPTION_KEY", boolean, {
    default: "false",
    about: "Refuses to start without `ENCRYPTION_KEY` instead of making a key.",
    groups: opensStore,
  }),
  apiEnv: row("API_ENV", choice(["development", "production"]), {
    default: "development",
    about: "`production` demands `ENCRYPTION_KEY` and a management token of at least 32 characters.",
  }),
  trustedProxies: row("TRUSTED_PROXIES", list("networks", checkNetwork), {
    default: "127.0.0.0/8,::1/128",
    about: "Whose forwarding headers are believed when the address of a caller is written down.",
  }),

  // Listening
  listenAddr: row("LISTEN_ADDR", address, {
    default: ":8080",
    about: "Where the server listens.",
    flag: "addr",
    groups: ["server", "setup"],
  }),
  managementListenAddr: row("MANAGEMENT_LISTEN_ADDR", address, {
    about: "A second listener that takes over all reserved routes but the health routes.",
  }),
  enableTls: row("ENABLE_TLS", boolean, {
    default: "false",
    about: "Speaks TLS on every listener; needs `TLS_CERT_FILE` and `TLS_KEY_FILE`.",
    groups: ["server", "setup"],
  }),
  tlsCertFile: row("TLS_CERT_FILE", path, {
    about: "PEM of the certificate and of those between it and its root; looked at again every 10 s.",
  }),
  tlsKeyFile: row("TLS_KEY_FILE", path, { about: "PEM of its private key, without a passphrase." }),
  tlsMinVersion: row("TLS_MIN_VERSION", choice(["1.2", "1.3"]), {
    default: "1.2",
    about: "The oldest version of TLS that is spoken.",
  }),
  maxRequestBytes: row("MAX_REQUEST_SIZE", size({ min: 1, max: 1024 ** 3 }), {
    default: "10MiB",
    about: "The largest body that is held: management requests, and bodies that a policy must read.",
  }),
  clientIdleTimeoutMs: row("CLIENT_IDLE_TIMEOUT", duration({ max: 240_000 }), {
    default: "3m",
    about: "How long a connection may be idle, or take for the head of a request; 0 is for ever.",
  }),
  clientBodyTimeoutMs: row("CLIENT_BODY_TIMEOUT", duration({ max: 3_600_000 }), {
    default: "2m",
    about: "How long a request body may be silent while it is waited for; 0 is for ever.",
  }),
  maxConcurrentRequests: row("MAX_CONCURRENT_REQUESTS", integer(), {
    default: "0",
    about: "More proxied requests at once than this get 503 `overloaded`; 0 is no limit.",
  }),
  enableStreaming: row("ENABLE_STREAMING", boolean, {
    default: "true",
    about: "`false` refuses requests that ask for a stream.",
  }),
  timingHeaders: row("TIMING_HEADERS", boolean, {
    default: "true",
    about: "Sends the `X-Proxy-…-At` and `X-UPSTREAM-REQUEST-…` headers.",
  }),
  shutdownTimeoutMs: row("SHUTDOWN_TIMEOUT", duration(), {
    default: "30s",
    about: "How long running requests and streams may go on after SIGTERM.",
  }),
  daemon: row("DAEMON", boolean, {
    default: "false",
    about: "Runs the server in the background; needs `LOG_FILE`.",
    short: "d",
  }),
  pidFile: row("PID_FILE", path, {
    default: "$DATA_DIR/server.pid",
    about: "Where the process id is written in the background.",
  }),

  // Data
  dataDir: row("DATA_DIR", path, {
    default: "./data",
    about: "Where the database, keys, audit file and `llm-proxy.env` live.",
    groups: everybody,
  }),
  databasePath: row("DATABASE_PATH", path, {
    default: "$DATA_DIR/llm-proxy.db",
    about: "The SQLite file.",
    flag: "db",
    groups: opensStore,
  }),
  databaseUrl: row("DATABASE_URL", secret(checkDatabaseUrl), {
    about: "The database as `sqlite:/path`; another way to say `DATABASE_PATH`.",
    groups: opensStore,
  }),
  dbDriver: row("DB_DRIVER", databaseDriver, {
    default: "sqlite",
    about: "The kind of database.",
    groups: opensStore,
  }),
  tokenCleanupIntervalMs: row("TOKEN_CLEANUP_INTERVAL", duration(), {
    default: "1h",
    about: "How often expired tokens are switched off (0: never) and old records deleted (0: hourly).",
  }),
  usageRetentionMs: row("USAGE_RETENTION", duration({ max: retentionMsMax }), {
    default: "2160h",
    about: "How long usage records are kept; 0 is for ever.",
  }),
  auditRetentionMs: row("AUDIT_RETENTION", duration({ max: retentionMsMax }), {
    default: "0",
    about: "How long the audit trail is kept in the database; 0 is for ever. The file is never cut.",
  }),

  // Providers
  apiConfigPath: row("API_CONFIG_PATH", path, {
    about:
      "The provider file. Not set: `./config/api_providers.yaml` if there is one, else the one in the binary.",
    groups: opensStore,
  }),
  defaultApiProvider: row("DEFAULT_API_PROVIDER", text, {
    about: "The provider of projects that name none; goes before `default_api` of the provider file.",
    groups: opensStore,
  }),
  openaiApiUrl: row("OPENAI_API_URL", baseUrl, {
    about: "Replaces the address of `openai` in the provider file of the binary.",
    groups: opensStore,
  }),
  pricesPath: row("PRICES_PATH", path, {
    about: "A price file; adds to the price table in the binary and wins by name.",
    groups: opensStore,
  }),
  requestTimeoutMs: row("REQUEST_TIMEOUT", duration(), {
    default: "0",
    about: "`timeouts.request` of providers that set none; 0 is no limit. Never cuts a flowing stream.",
  }),
  circuitBreakerThreshold: row("CIRCUIT_BREAKER_THRESHOLD", integer(), {
    default: "5",
    about:
      "Failed calls to a host within 30 s, half of all at the least, after which it is left alone; 0 is never.",
  }),
  circuitBreakerCooldownMs: row("CIRCUIT_BREAKER_COOLDOWN", duration(), {
    default: "30s",
    about: "How long a host is left alone before one request tries it again.",
  }),
  corsAllowedOrigins: row("CORS_ALLOWED_ORIGINS", list("origins", checkOrigin), {
    default: "*",
    about: "`allowed_origins` of providers that set none; `*` is any.",
  }),
  corsAllowedMethods: row("CORS_ALLOWED_METHODS", list("methods", checkMethod), {
    default: "none",
    about: "What a preflight is told about methods; none: those of the provider.",
  }),
  corsAllowedHeaders: row("CORS_ALLOWED_HEADERS", list("header names", checkHeaderName), {
    default: "none",
    about: "What a preflight is told about headers; none: those it asks for.",
  }),
  corsMaxAgeS: row("CORS_MAX_AGE", durationIn({ name: "seconds", ms: 1000 }, {}), {
    default: "24h",
    about: "How long a browser may keep the answer to a preflight.",
  }),

  // Caches of the data plane
  enforceProjectActive: row("LLM_PROXY_ENFORCE_PROJECT_ACTIVE", boolean, {
    default: "true",
    about: "Refuses tokens of projects that are switched off.",
  }),
  activeCacheTtlMs: row("LLM_PROXY_ACTIVE_CACHE_TTL", duration(), {
    default: "5s",
    about:
      "How long a token and its project are kept in memory; changes made through this server hold at once.",
  }),
  activeCacheMax: row("LLM_PROXY_ACTIVE_CACHE_MAX", integer(), {
    default: "10000",
    about: "How many tokens are kept in memory.",
  }),
  apiKeyCacheTtlMs: row("LLM_PROXY_API_KEY_CACHE_TTL", duration(), {
    default: "30s",
    about:
      "How long an opened provider key is kept in memory; changes made through this server hold at once.",
  }),
  apiKeyCacheMax: row("LLM_PROXY_API_KEY_CACHE_MAX", integer(), {
    default: "10000",
    about: "How many opened provider keys are kept in memory.",
  }),
  ledgerFailure: row("LEDGER_FAILURE", choice(["refuse", "allow"]), {
    default: "refuse",
    about:
      "What becomes of requests while the database cannot be written: `allow` lets them pass unrecorded.",
  }),
  usageStatsBufferSize: row("USAGE_STATS_BUFFER_SIZE", integer({ min: 1 }), {
    default: "1000",
    about:
      "How many records of refused requests may wait in memory to be written; those of others always may.",
  }),

  // Logs, audit, metrics
  logLevel: row("LOG_LEVEL", choice(["debug", "info", "warn", "error"]), {
    default: "info",
    about: "The least important log lines that are written.",
    groups: ["server", "setup"],
  }),
  logFormat: row(
    "LOG_FORMAT",
    choice(["json", "console"], new Map<string, "json" | "console">([["text", "console"]])),
    {
      default: "json",
      about: "JSON lines, or lines for people (`text` is another word for `console`).",
    },
  ),
  logFile: row("LOG_FILE", path, { about: "Where log lines go; not set: standard output." }),
  debug: row("DEBUG", boolean, { default: "false", about: "The same as `LOG_LEVEL=debug`.", short: "v" }),
  auditEnabled: row("AUDIT_ENABLED", boolean, {
    default: "true",
    about: "Writes the audit trail.",
    groups: opensStore,
  }),
  auditLogFile: row("AUDIT_LOG_FILE", pathOrOff, {
    default: "$DATA_DIR/audit.log",
    about: "The file of the audit trail; `off` is none.",
    groups: opensStore,
  }),
  auditCreateDir: row("AUDIT_CREATE_DIR", boolean, {
    default: "true",
    about: "Makes the directory of the audit file.",
    groups: opensStore,
  }),
  auditStoreInDb: row("AUDIT_STORE_IN_DB", boolean, {
    default: "true",
    about: "Keeps the audit trail in the database as well.",
    groups: opensStore,
  }),
  enableMetrics: row("ENABLE_METRICS", boolean, { default: "true", about: "Serves metrics." }),
  metricsPath: row("METRICS_PATH", urlPath, {
    default: "/metrics",
    about: "Where metrics are served.",
    groups: opensStore,
  }),
  metricsToken: row("METRICS_TOKEN", secret(), {
    about: "The bearer token that metrics ask for; not set: none.",
  }),

  // Commands that talk to a server
  managementApiBaseUrl: row("MANAGEMENT_API_BASE_URL", httpUrl, {
    default: "http://localhost:8080",
    about: "The server that `manage` commands talk to.",
    flag: "manage-api-base-url",
    flagAliases: ["api-base-url"],
    groups: ["client"],
  }),
  proxyUrl: row("PROXY_URL", httpUrl, {
    default: "http://localhost:8080",
    about: "The server that `chat` talks to.",
    flag: "proxy",
    groups: ["chat"],
  }),
  proxyToken: row("PROXY_TOKEN", secret(), {
    about: "The token that `chat` uses.",
    flag: "token",
    groups: ["chat"],
  }),
  model: row("MODEL", text, {
    default: "gpt-4.1-mini",
    about: "The model that `chat` asks.",
    groups: ["chat"],
  }),
  temperature: row("TEMPERATURE", decimal({ max: 2 }), {
    default: "0.7",
    about: "How freely the model of `chat` answers.",
    groups: ["chat"],
  }),
  maxTokens: row("MAX_TOKENS", integer(), {
    default: "0",
    about: "The longest answer in `chat`; 0 is no limit.",
    groups: ["chat"],
  }),
  systemPrompt: row("SYSTEM_PROMPT", text, {
    default: "You are a helpful assistant.",
    about: "What `chat` tells the model first.",
    flag: "system",
    groups: ["chat"],
  }),
  verbose: row("VERBOSE", boolean, {
    default: "false",
    about: "Shows requests, answers and token counts in `chat`.",
    short: "v",
    groups: ["chat"],
  }),
  useStreaming: row("USE_STREAMING", boolean, {
    default: "true",
    about: "Shows answers in `chat` as they are written.",
    flag: "stream",
    groups: ["chat"],
  }),

  // Setup
  envFile: row("CONFIG", path, {
    default: "$DATA_DIR/llm-proxy.env",
    about: "The env file that `setup` writes.",
    groups: ["setup"],
  }),
  openaiApiKey: row("OPENAI_API_KEY", secret(), {
    about: "The provider key that `setup` gives the first project.",
    flag: "openai-key",
    flagAliases: ["api-key"],
    groups: ["setup"],
  }),
  interactive: row("INTERACTIVE", boolean, {
    default: "false",
    about: "Makes `setup` ask.",
    groups: ["setup"],
  }),
  project: row("PROJECT", text, {
    default: "DefaultProject",
    about: "The name of the project that `setup` makes.",
    groups: ["setup"],
  }),
  durationHours: row("DURATION", durationIn({ name: "hours", ms: 3_600_000 }, { min: 1, max: 87_600 }), {
    default: "24",
    about: "How long the token lives that `setup` makes.",
    groups: ["setup"],
  }),
  skipProject: row("SKIP_PROJECT", boolean, {
    default: "false",
    about: "Makes `setup` leave out project and token.",
    groups: ["setup"],
  }),
};

/** A setting's name in the code. */
export type SettingKey = keyof typeof settings;

/** Every setting with its value. Times end in Ms, S or Hours, sizes in Bytes. */
export type Config = {
  readonly [K in SettingKey]: (typeof settings)[K] extends Setting<infer T> ? T : never;
};

/** The rows with their keys, in the order of the table. */
export const settingRows = Object.entries(settings).map(([key, setting]) => ({
  key: key as SettingKey,
  setting: setting as Setting,
}));

/** A setting's name in the settings file: that of the environment in lower case, without `llm_proxy_`. */
export function fileKeyOf(setting: Setting): string {
  return setting.env.toLowerCase().replace(/^llm_proxy_/, "");
}

/** A setting's flag, without dashes before it. */
export function flagOf(setting: Setting): string {
  return setting.flag ?? fileKeyOf(setting).replaceAll("_", "-");
}

/** A flag of a command, for its parser and its help. `key` is what `loadConfig` calls it. */
export interface Flag {
  readonly key: SettingKey | "config" | "env";
  readonly name: string;
  readonly short: string | undefined;
  readonly aliases: readonly string[];
  /** A switch: needs no value. */
  readonly boolean: boolean;
  readonly env: string | undefined;
  readonly default: string | undefined;
  readonly about: string;
}

// They say where to read settings from, so they are not settings themselves.
const sourceFlags: readonly Flag[] = [
  {
    key: "config",
    name: "config",
    short: "c",
    aliases: [],
    boolean: false,
    env: undefined,
    default: undefined,
    about: "The settings file (YAML); one with `apis:` at its top is the provider file.",
  },
  {
    key: "env",
    name: "env",
    short: undefined,
    aliases: [],
    boolean: false,
    env: "ENV",
    default: "$DATA_DIR/llm-proxy.env",
    about: "The env file.",
  },
];

/** The flags that a group of commands takes. A server takes no secret as a flag: it would show in `ps` for long. */
export function flagsOf(group: Group): readonly Flag[] {
  const own = settingRows
    .filter(({ setting }) => setting.groups.includes(group))
    .filter(({ setting }) => setting.kind.nature !== "secret" || secretFlags.has(setting.env))
    .filter(({ setting }) => setting.kind.nature !== "secret" || (group !== "server" && group !== "store"))
    .map(
      ({ key, setting }): Flag => ({
        key,
        name: flagOf(setting),
        short: setting.short,
        aliases: setting.flagAliases,
        boolean: setting.kind.nature === "flag",
        env: setting.env,
        default: setting.default,
        about: setting.about,
      }),
    );
  // `setup --config` is the env file it writes.
  return group === "server" || group === "store"
    ? [...own, ...sourceFlags]
    : [...own, ...sourceFlags.slice(1)];
}

const secretFlags: ReadonlySet<string> = new Set(["MANAGEMENT_TOKEN", "PROXY_TOKEN", "OPENAI_API_KEY"]);
