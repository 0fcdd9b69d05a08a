import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import type { Processes, Started } from "./processes.ts";

/** How long a server may take until it answers. */
const START_DEADLINE_MS = 15_000;
const START_POLL_MS = 20;

interface ProductOptions {
  readonly processes: Processes;
  /** Of its own; configuration, log and data go there. */
  readonly directory: string;
  readonly binary: string;
  /** Providers by name; the first is the default. All paths are allowed. */
  readonly providers: Readonly<Record<string, ProviderEntry>>;
  /** On top of what it needs to start. */
  readonly env?: Readonly<Record<string, string>>;
}

interface ProviderEntry {
  readonly url: string;
  /** More lines of its entry in the provider file, indented by four spaces. */
  readonly yaml?: string;
}

/** The running binary. */
export interface Product {
  readonly port: number;
  readonly process: Started;
  /** A new project with a key. @returns its id */
  newProject(provider: string): Promise<string>;
  /** A new token of the project, for ten hours unless told otherwise. */
  newToken(projectId: string, fields?: Readonly<Record<string, unknown>>): Promise<string>;
  /** The value of a metric without labels, as `/metrics/prometheus` gives it. */
  metric(name: string): Promise<number>;
  /** How many lines of values that page has. */
  metricSeries(): Promise<number>;
}

/** The product as it comes: tokens, audit, metrics, usage records, a log line for each request into a file. */
export async function startProduct(options: ProductOptions): Promise<Product> {
  const { processes, directory, binary, providers, env } = options;
  const port = await freePort();
  const work = join(directory, "work");
  mkdirSync(work);
  const providerFile = join(directory, "providers.yaml");
  writeFileSync(providerFile, providerYaml(providers));
  const managementToken = `mt-${crypto.randomUUID()}`;
  const logFile = join(directory, "llm-proxy.log");
  const started = processes.start([binary, "server"], {
    cwd: work,
    logFile,
    env: {
      HOME: directory,
      MANAGEMENT_TOKEN: managementToken,
      LISTEN_ADDR: `127.0.0.1:${port}`,
      DATA_DIR: join(directory, "data"),
      API_CONFIG_PATH: providerFile,
      LOG_LEVEL: "info",
      ...env,
    },
  });
  const origin = `http://127.0.0.1:${port}`;
  await untilAnswering(`${origin}/ready`, "llm-proxy", logFile);
  const create = (path: string, fields: object) =>
    createResource(`${origin}/manage${path}`, managementToken, fields);
  const metrics = async () => (await fetch(`${origin}/metrics/prometheus`)).text();
  return {
    port,
    process: started,
    newProject: async (provider) => {
      const names = { name: `bench-${crypto.randomUUID().slice(0, 8)}`, provider };
      return String((await create("/projects", { ...names, api_key: `sk-${crypto.randomUUID()}` }))["id"]);
    },
    newToken: async (projectId, fields) => {
      const token = await create("/tokens", { project_id: projectId, duration_minutes: 600, ...fields });
      return String(token["token"]);
    },
    metric: async (name) =>
      Number(new RegExp(`^${name} (.+)$`, "m").exec(await metrics())?.[1] ?? Number.NaN),
    metricSeries: async () => (await metrics()).match(/^[^#\n]/gm)?.length ?? 0,
  };
}

function providerYaml(providers: ProductOptions["providers"]): string {
  const entries = Object.entries(providers).map(
    ([name, { url, yaml = "" }]) => `  ${name}:
    base_url: ${url}
    allowed_methods: [GET, POST]
    allowed_endpoints: ["/*"]
${yaml}`,
  );
  return `default_api: ${Object.keys(providers)[0]}\napis:\n${entries.join("")}`;
}

async function createResource(
  url: string,
  managementToken: string,
  fields: object,
): Promise<Record<string, unknown>> {
  const headers = { authorization: `Bearer ${managementToken}`, "content-type": "application/json" };
  const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify(fields) });
  if (answer.status !== 201) throw new Error(`POST ${url} gave ${answer.status}: ${await answer.text()}`);
  return (await answer.json()) as Record<string, unknown>;
}

/** Waits until the URL gives a 2xx. @param name for the error @throws {Error} with the end of the log, past 15 s */
export async function untilAnswering(url: string, name: string, logFile: string): Promise<void> {
  const giveUpAtMs = performance.now() + START_DEADLINE_MS;
  while (performance.now() < giveUpAtMs) {
    const answer = await fetch(url).catch(() => undefined);
    await answer?.arrayBuffer();
    if (answer?.ok) return;
    await Bun.sleep(START_POLL_MS);
  }
  const log = existsSync(logFile) ? await Bun.file(logFile).text() : "";
  throw new Error(`${name} did not start within ${START_DEADLINE_MS} ms: ${log.slice(-2_000)}`);
}

/** A port of 127.0.0.1 that nobody listened on a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
