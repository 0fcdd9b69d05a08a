import { randomBytes } from "node:crypto";
import { sqliteMigrations } from "../../migrations/index.ts";
import { type ApiDeps, createApi } from "../../src/api/routes.ts";
import { createAudit } from "../../src/audit/service.ts";
import { createClientIp } from "../../src/client-ip.ts";
import { createSealer } from "../../src/crypto/seal.ts";
import type { Fields, Logger } from "../../src/logging/logger.ts";
import { createMetrics } from "../../src/metrics/metrics.ts";
import { createProjects } from "../../src/project/service.ts";
import type { Provider } from "../../src/provider/provider.ts";
import { Secret } from "../../src/secret.ts";
import { type Listener, listen } from "../../src/server/listener.ts";
import { createServer, type DataPlane, type ServerDeps, type Surface } from "../../src/server/server.ts";
import { createAuditRepository } from "../../src/storage/audit-repository.ts";
import { DatabaseFault } from "../../src/storage/database-fault.ts";
import { migrate } from "../../src/storage/migrate.ts";
import { createProjectRepository } from "../../src/storage/project-repository.ts";
import { createSqlite } from "../../src/storage/sqlite.ts";
import { createTokenRepository } from "../../src/storage/token-repository.ts";
import { createUsageRepository } from "../../src/storage/usage-repository.ts";
import { createUsageSummary } from "../../src/storage/usage-summary.ts";
import { createTokens } from "../../src/token/service.ts";
import type { UsageRecord } from "../../src/usage/record.ts";
import { docsAssets } from "../../web/assets.ts";
import { referencePage } from "../../web/pages/reference.tsx";
import { book } from "../harness/books.ts";
import { createFakeClock } from "../harness/fake-clock.ts";

export const managementToken = "management-token-of-the-tests-0123456789";
export const providerKey = "sk-canary-provider-key-0123456789abcdef";

/** A line that was logged. */
export interface LogLine {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly message: string;
  readonly fields: Fields;
}

/** A logger that remembers. */
function recordingLogger(lines: LogLine[]): Logger {
  const at =
    (level: LogLine["level"]) =>
    (message: string, fields: Fields = {}) => {
      lines.push({ level, message, fields });
    };
  const logger: Logger = {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: () => logger,
    flush: async () => {},
    dropped: () => 0,
  };
  return logger;
}

function provider(name: string, scheme: "bearer" | "none" = "bearer"): Provider {
  return {
    name,
    origin: "http://127.0.0.1:9",
    reach: "as_written",
    basePath: "",
    dialect: "openai",
    auth: { scheme },
    staticHeaders: [],
    allowedEndpoints: ["/*"],
    allowedMethods: ["GET", "HEAD", "POST"],
    timeouts: { requestMs: 0, responseHeaderMs: 0, streamIdleMs: 0, totalMs: 0 },
    retry: { max: 0, onStatus: [], delayMsMax: 0 },
    fallback: [],
    paramWhitelist: new Map(),
    allowedOrigins: [],
    requiredHeaders: [],
  };
}

export interface TestServerOptions {
  readonly surface?: Surface;
  /** Default 0: no limit. */
  readonly idleTimeoutS?: number;
  readonly pipeline?: DataPlane;
  readonly server?: Partial<ServerDeps>;
  readonly api?: Partial<ApiDeps>;
}

/** The management API and its server over a real socket and a real database, with a data plane that echoes. */
export async function startServer(options: TestServerOptions = {}) {
  const clock = createFakeClock();
  const database = createSqlite({ path: ":memory:" });
  await migrate(database, sqliteMigrations, clock);
  const newId = () => crypto.randomUUID();
  const auditRepository = createAuditRepository(database);
  const audit = createAudit({
    sinks: [auditRepository],
    repository: auditRepository,
    clock,
    newId,
    onFailure: (_, __, error) => {
      throw error;
    },
  });
  const repository = createProjectRepository(database);
  const changes = { tokenChanged: () => {}, projectChanged: () => {} };
  const providers = {
    byName: new Map(
      [provider("openai"), provider("anthropic"), provider("local", "none")].map((one) => [one.name, one]),
    ),
    defaultName: "openai",
  };
  const projects = createProjects({
    repository,
    providers,
    sealer: createSealer(randomBytes(32)),
    restOf: () => undefined,
    changes,
    audit,
    clock,
    newId,
  });
  const tokens = createTokens({
    repository: createTokenRepository(database),
    projects: repository,
    changes,
    audit,
    clock,
    newId,
    settleCounts: async () => {},
    random: (bytes) => randomBytes(bytes),
  });
  const usage = createUsageRepository(database);
  const metrics = createMetrics({ version: "9.9.9", clock, logLinesDropped: () => 0 });
  const lines: LogLine[] = [];
  const logger = recordingLogger(lines);
  const api = createApi({
    projects,
    tokens,
    audit,
    usage,
    summary: createUsageSummary(database),
    managementToken: new Secret(managementToken),
    clientIp: createClientIp(["10.0.0.0/8"]),
    clock,
    newId,
    version: "9.9.9",
    docs: { page: referencePage(), assets: docsAssets },
    ...options.api,
  });
  const seen: { path: string; query: string }[] = [];
  const server = createServer({
    api,
    pipeline:
      options.pipeline ??
      ((_, { path, query }) => {
        seen.push({ path, query });
        return new Response("the data plane", { headers: { "x-plane": "data" } });
      }),
    metrics,
    logger,
    clock,
    version: "9.9.9",
    storage: async () => ({ database: "ok", disk: "ok", freeBytes: 1e9 }),
    circuits: () => [],
    metricsPath: "/metrics",
    isMetricsEnabled: true,
    metricsToken: undefined,
    maxRequestBytes: 4096,
    bodySilenceMs: 0,
    isStorageFault: (fault) => fault instanceof DatabaseFault,
    ...options.server,
  });
  const listener = open(server.handle, options);
  const base = `http://127.0.0.1:${listener.port}`;

  /** A management request by someone who has the token; the body is sent as JSON. */
  async function call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
    const response = await fetch(base + path, {
      method,
      headers: { authorization: `Bearer ${managementToken}`, ...headers },
      ...(body !== undefined && {
        body: typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body),
      }),
    });
    const text = await response.text();
    const isJson = response.headers.get("content-type")?.includes("json") && text !== "";
    return {
      status: response.status,
      headers: response.headers,
      text,
      // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
      json: (isJson ? JSON.parse(text) : undefined) as any,
    };
  }
  return {
    clock,
    database,
    audit,
    book: (records: readonly UsageRecord[]) => book(database, records),
    usage,
    tokens,
    server,
    listener,
    base,
    port: listener.port,
    lines,
    /** What reached the data plane. */
    seen,
    call,
    newProject: async (fields: object = {}) =>
      (
        await call("POST", "/manage/projects", {
          name: `p-${crypto.randomUUID()}`,
          api_key: providerKey,
          ...fields,
        })
      ).json,
    newToken: async (projectId: string, fields: object = {}) =>
      (await call("POST", "/manage/tokens", { project_id: projectId, duration_minutes: 60, ...fields })).json,
    async [Symbol.asyncDispose]() {
      await listener.stop(0);
      await audit.flush();
      await database.close();
    },
  };
}

export type TestServer = Awaited<ReturnType<typeof startServer>>;

function open(
  handle: ReturnType<typeof createServer>["handle"],
  { surface = "all", idleTimeoutS = 0 }: TestServerOptions,
): Listener {
  const listening = listen({
    address: { hostname: "127.0.0.1", port: 0 },
    surface,
    idleTimeoutS,
    handle,
    onFault: (fault) => {
      throw fault;
    },
  });
  if (!listening.ok) throw new Error(listening.error.message);
  return listening.value;
}
