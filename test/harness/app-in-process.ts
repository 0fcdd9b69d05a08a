import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createApp } from "../../src/app.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { Result } from "../../src/result.ts";
import { newCanary } from "./canary.ts";
import { labProviders, type Management, managementOf } from "./management.ts";
import type { ProxyOptions, ProxyProcess } from "./proxy-process.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

type Shared = "port" | "origin" | "dataDirectory" | "managementToken" | "providerKey";

/** The server in this process, where coverage sees it: the surface that `ProxyProcess` has too, and its log. */
export interface AppInProcess extends Pick<ProxyProcess, Shared>, Management, AsyncDisposable {
  /** For another process on the same database. */
  readonly databasePath: string;
  /** Every line logged so far, as text; call it after `stop` for all of them. */
  log(): string;
  /** Lets running requests end and writes what is in memory. */
  stop(): Promise<void>;
}

/**
 * Serves on 127.0.0.1 and a free port. Use: `await using app = await startApp({ upstream: upstream.origin });`
 * @throws {Error} when settings or start are refused
 */
export async function startApp(
  options: Pick<ProxyOptions, "upstream" | "providers" | "env" | "dataDirectory">,
): Promise<AppInProcess> {
  const scope = new DisposableStack();
  const home = scope.use(temporaryDirectory()).path;
  const dataDirectory = options.dataDirectory ?? scope.use(temporaryDirectory()).path;
  const managementToken = `mt-${randomBytes(24).toString("hex")}`;
  const providerKey = newCanary("provider-key");
  const logFile = join(home, "log.jsonl");
  const providerFile = join(home, "providers.yaml");
  await Bun.write(providerFile, labProviders(options.upstream, options.providers));
  const environment = {
    MANAGEMENT_TOKEN: managementToken,
    LISTEN_ADDR: "127.0.0.1:0",
    SHUTDOWN_TIMEOUT: "0s",
    DATA_DIR: dataDirectory,
    API_CONFIG_PATH: providerFile,
    LOG_FILE: logFile,
    LOG_FORMAT: "json",
    ...options.env,
  };
  const loaded = taken(loadConfig({ flags: {}, environment, cwd: home }));
  const app = taken(await createApp(loaded));
  const serving = taken(app.serve());
  return {
    port: Number(new URL(serving.url).port),
    origin: serving.url,
    dataDirectory,
    databasePath: loaded.config.databasePath,
    managementToken,
    providerKey,
    ...managementOf(serving.managementUrl, managementToken, providerKey),
    log: () => readFileSync(logFile, "utf8"),
    stop: () => serving.stop(),
    async [Symbol.asyncDispose]() {
      await serving.stop();
      scope.dispose();
    },
  };
}

function taken<T>(result: Result<T, unknown>): T {
  if (!result.ok) throw new Error(`The app did not start: ${JSON.stringify(result.error)}`);
  return result.value;
}
