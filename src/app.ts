import { randomBytes } from "node:crypto";
import { docsAssets } from "../web/assets.ts";
import { referencePage } from "../web/pages/reference.tsx";
import { createApi } from "./api/routes.ts";
import { type CertificateWatch, readServerTls, watchCertificate } from "./app-certificate.ts";
import { composeDataPlane } from "./app-data-plane.ts";
import { startHousekeeping } from "./app-housekeeping.ts";
import { startLedgerWatch } from "./app-ledger.ts";
import { newId, openStores, type StartFault, type Stores, wordStartFault } from "./app-stores.ts";
import { createClientIp } from "./client-ip.ts";
import { systemClock } from "./clock.ts";
import type { Loaded } from "./config/load.ts";
import type { Config } from "./config/settings.ts";
import { createLogger, type LogSettings, type RootLogger } from "./logging/logger.ts";
import { createMetrics, type Metrics } from "./metrics/metrics.ts";
import { fail, ok, type Result } from "./result.ts";
import { Secret } from "./secret.ts";
import { type Listener, listen, type ServerTls } from "./server/listener.ts";
import { createServer, type Server, type Surface } from "./server/server.ts";
import { DatabaseFault } from "./storage/database-fault.ts";
import { createProbe } from "./storage/probe.ts";
import { version } from "./version.ts";

/** Everything that one process is made of, each object built once, floor by floor. */
export interface App {
  /** The management API without a socket, for commands that work on the database themselves; it asks for no credential. */
  manage(request: Request): Promise<Response>;
  /** Opens the listeners and starts what runs in the background. */
  serve(): Result<Serving, StartFault>;
  /** Logs and counts an error that nobody caught; the process goes on. */
  strayError(error: unknown): void;
  /** Writes what is in memory and closes all. For an app that serves, use `Serving.stop`. */
  close(): Promise<void>;
}

export interface Serving {
  readonly url: string;
  /** The same as `url` unless management has a listener of its own. */
  readonly managementUrl: string;
  /**
   * Lets running requests and streams end, for `SHUTDOWN_TIMEOUT` at the most, then writes what is in memory and
   * closes all. A second call cuts them at once.
   */
  stop(): Promise<void>;
  /** Opens the log file anew, and looks for another certificate. */
  reload(): void;
}

/** Builds an app. `offline`: for a command beside or instead of a server; it logs nothing below a warning, to stderr. */
export async function createApp(
  loaded: Loaded,
  options: { readonly offline?: boolean } = {},
): Promise<Result<App, StartFault>> {
  const { config } = loaded;
  const opened = openLog(config, options.offline ?? false);
  if (!opened.ok) return opened;
  const logger = opened.value;
  const metrics = createMetrics({ version, clock: systemClock, logLinesDropped: () => logger.dropped() });
  const stores = await openStores({ ...loaded, logger, metrics });
  if (!stores.ok) {
    await logger.flush();
    return stores;
  }
  return ok(createLife({ loaded, logger, metrics, stores: stores.value }));
}

/** The log that the settings name; `isOffline`: only errors, to stderr. */
export function openLog(config: Config, isOffline: boolean): Result<RootLogger, StartFault> {
  const settings: LogSettings = isOffline
    ? { level: "error", format: "console", stream: "stderr", isColoured: false }
    : {
        level: config.debug ? "debug" : config.logLevel,
        format: config.logFormat,
        stream: "stdout",
        isColoured: config.logFile === undefined && process.stdout.isTTY,
        file: config.logFile,
      };
  const logger = createLogger(settings, systemClock);
  return logger.ok ? logger : fail(wordStartFault(logger.error));
}

interface Parts {
  readonly loaded: Loaded;
  readonly logger: RootLogger;
  readonly metrics: Metrics;
  readonly stores: Stores;
}

function createLife(parts: Parts): App {
  const { loaded, logger, metrics, stores } = parts;
  const server = composeServer(parts);
  const close = async () => {
    await using steps = new AsyncDisposableStack(); // the last one first, and one that fails stops no other
    steps.defer(() => logger.flush());
    steps.defer(() => stores.close());
    steps.defer(() => server.settled());
  };
  return {
    manage: (request) => server.manage(request),
    strayError(error) {
      metrics.unhandled();
      logger.error("an error was caught by nobody", { error });
    },
    close,
    serve() {
      const tls = loaded.config.enableTls ? readServerTls(loaded.config) : ok(undefined);
      if (!tls.ok) return tls;
      const listeners = openListeners({ ...parts, server, tls: tls.value });
      if (!listeners.ok) return listeners;
      const { main, management } = listeners.value;
      const certificate = tls.value && watchOf(parts, tls.value, [main, management]);
      const stopHousekeeping = startHousekeeping({
        config: loaded.config,
        stores,
        logger,
        clock: systemClock,
      });
      const leaveLedger = startLedgerWatch({ ledgerRows: stores.ledgerRows, logger, clock: systemClock });
      let stopping: Promise<void> | undefined;
      const stopAll = (timeoutMs: number) =>
        Promise.all([main.listener, management?.listener].map((listener) => listener?.stop(timeoutMs)));
      const stop = async () => {
        await using steps = new AsyncDisposableStack();
        steps.defer(close);
        steps.defer(leaveLedger);
        steps.defer(async () => {
          await server.settled();
          await stores.ledger.flush();
        });
        server.drain();
        certificate?.stop();
        const housekeepingEnds = stopHousekeeping();
        steps.defer(() => housekeepingEnds);
        logger.info("stopping: running requests may end", { timeout_ms: loaded.config.shutdownTimeoutMs });
        const ends = await stopAll(loaded.config.shutdownTimeoutMs);
        if (ends.includes("cut")) logger.warn("requests that had not ended in time were cut");
        logger.info("stopped");
      };
      return ok({
        url: main.url,
        managementUrl: management?.url ?? main.url,
        reload() {
          logger.reopen();
          certificate?.look();
        },
        async stop() {
          if (stopping !== undefined) await stopAll(0);
          stopping ??= stop();
          await stopping;
        },
      });
    },
  };
}

function composeServer({
  loaded,
  logger,
  metrics,
  stores,
}: Parts): Server & { readonly settled: () => Promise<void> } {
  const { config } = loaded;
  const clientIp = createClientIp(config.trustedProxies);
  const common = { logger, metrics, version, clock: systemClock };
  const api = createApi({
    ...common,
    ...stores,
    clientIp,
    newId,
    docs: { page: referencePage(), assets: docsAssets },
    // Without one, nobody knows it: only `manage` in this process gets in.
    managementToken: config.managementToken ?? new Secret(randomBytes(32).toString("hex")),
  });
  const { pipeline, circuits, settled } = composeDataPlane({ loaded, stores, clientIp, logger, metrics });
  const server = createServer({
    ...common,
    api,
    pipeline,
    metricsPath: config.metricsPath,
    isMetricsEnabled: config.enableMetrics,
    metricsToken: config.metricsToken,
    maxRequestBytes: config.maxRequestBytes,
    bodySilenceMs: config.clientBodyTimeoutMs,
    isStorageFault: (fault) => fault instanceof DatabaseFault,
    storage: createProbe({
      database: stores.database,
      path: config.databasePath,
      clock: systemClock,
      onChange({ database, disk, freeBytes }) {
        const isGood = database === "ok" && disk === "ok";
        const tell = isGood ? logger.info : logger.error;
        tell(isGood ? "ready again" : "not ready", { database, disk, free_bytes: freeBytes });
      },
    }),
    circuits,
  });
  return { ...server, settled };
}

interface Open {
  readonly listener: Listener;
  readonly url: string;
}

function watchOf(
  { loaded, logger }: Parts,
  current: ServerTls,
  opened: readonly (Open | undefined)[],
): CertificateWatch {
  return watchCertificate({
    current,
    read: () => readServerTls(loaded.config),
    renew(tls) {
      const renewed = opened.flatMap((each) => (each ? [each.listener.renew(tls)] : []));
      return renewed.find((each) => !each.ok) ?? ok(undefined);
    },
    logger,
  });
}

interface ListenerParts extends Pick<Parts, "loaded" | "logger"> {
  readonly server: Server;
  readonly tls: ServerTls | undefined;
}

function openListeners({
  loaded: { config },
  server,
  logger,
  tls,
}: ListenerParts): Result<{ readonly main: Open; readonly management: Open | undefined }, StartFault> {
  const open = (address: Config["listenAddr"], surface: Surface): Result<Open, StartFault> => {
    const onFault = (error: unknown) => logger.error("a request failed unexpectedly", { error });
    const idleTimeoutS = Math.ceil(config.clientIdleTimeoutMs / 1000);
    const listener = listen({ address, surface, handle: server.handle, idleTimeoutS, onFault, tls });
    if (!listener.ok) return fail(listener.error);
    const { hostname } = address;
    const isEverywhere = hostname === "" || hostname === "0.0.0.0" || hostname === "::";
    const host = isEverywhere ? "localhost" : hostname.includes(":") ? `[${hostname}]` : hostname;
    const url = `${tls ? "https" : "http"}://${host}:${listener.value.port}`;
    logger.info("listening", { url, surface });
    return ok({ listener: listener.value, url });
  };
  const { managementListenAddr } = config;
  const main = open(config.listenAddr, managementListenAddr === undefined ? "all" : "data");
  if (!main.ok || managementListenAddr === undefined)
    return main.ok ? ok({ main: main.value, management: undefined }) : main;
  const management = open(managementListenAddr, "management");
  if (management.ok) return ok({ main: main.value, management: management.value });
  void main.value.listener.stop(0);
  return management;
}

export type { StartFault } from "./app-stores.ts";
