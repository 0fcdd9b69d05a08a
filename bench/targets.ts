import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import type { Processes, Started } from "./processes.ts";
import type { Tools } from "./tools.ts";

/** How long a target may take until it answers. */
const START_DEADLINE_MS = 15_000;
const START_POLL_MS = 20;

export type TargetName = "direct" | "nginx" | "bare relay" | "llm-proxy";

/** Something that answers the requests of the benchmark. */
export interface Target {
  readonly name: TargetName;
  readonly port: number;
  /** What goes behind `Bearer`. */
  readonly token: string;
  /** Undefined for direct, whose process is the provider's. */
  readonly process: Started | undefined;
}

interface Ground {
  readonly processes: Processes;
  /** A new directory for configuration, logs and data. */
  readonly directory: string;
  readonly tools: Tools;
}

/** For every Bun process: what the product's own unit file sets as well. */
const BUN_ENVIRONMENT = { NODE_ENV: "production", BUN_CONFIG_MAX_HTTP_REQUESTS: "4096" };

/** Starts the provider and everything that stands before it; all run at the same time, idle but for one. */
export async function startTargets(ground: Ground): Promise<Target[]> {
  const upstream = await startBun(ground.processes, "upstream.ts", []);
  const direct: Target = { name: "direct", port: upstream.port, token: "sk-bench", process: undefined };
  const relay = await startBun(ground.processes, "relay.ts", [`http://127.0.0.1:${upstream.port}`]);
  return [
    direct,
    await startNginx(ground, upstream.port),
    { ...direct, ...relay, name: "bare relay" },
    await startProduct(ground, upstream.port),
  ];
}

async function startBun(processes: Processes, file: string, args: readonly string[]) {
  const command = [process.execPath, join(import.meta.dirname, file), ...args];
  const started = processes.start(command, { env: BUN_ENVIRONMENT });
  return { port: Number(await started.firstLine()), process: started };
}

/** One worker, which is the whole of it; connections to the provider kept open, nothing buffered, nothing logged. */
async function startNginx({ processes, directory, tools }: Ground, upstreamPort: number): Promise<Target> {
  const port = await freePort();
  const home = join(directory, "nginx");
  mkdirSync(home);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${name};`,
  );
  const configuration = `
worker_processes 1; master_process off; daemon off; pid nginx.pid; error_log error.log;
events { worker_connections 4096; }
http {
  access_log off; ${temporary.join(" ")} keepalive_requests 100000000;
  upstream provider { server 127.0.0.1:${upstreamPort}; keepalive 256; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://provider; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off; proxy_read_timeout 1h;
    }
  }
}`;
  writeFileSync(join(home, "nginx.conf"), configuration);
  const logFile = join(directory, "nginx.log");
  const started = processes.start([tools.nginx, "-p", home, "-c", "nginx.conf"], { logFile });
  await untilAnswering(`http://127.0.0.1:${port}/v1?case=json`, "nginx", logFile);
  return { name: "nginx", port, token: "sk-bench", process: started };
}

/** The product as it comes: tokens, audit, metrics, usage records, a log line for each request into a file. */
async function startProduct({ processes, directory, tools }: Ground, upstreamPort: number): Promise<Target> {
  const port = await freePort();
  const work = join(directory, "work");
  mkdirSync(work);
  const providers = join(directory, "providers.yaml");
  writeFileSync(
    providers,
    `default_api: bench
apis:
  bench:
    base_url: http://127.0.0.1:${upstreamPort}
    allowed_methods: [GET, POST]
    allowed_endpoints: ["/*"]
`,
  );
  const managementToken = `mt-${crypto.randomUUID()}`;
  const logFile = join(directory, "llm-proxy.log");
  const started = processes.start([tools.binary, "server"], {
    cwd: work,
    logFile,
    env: {
      ...BUN_ENVIRONMENT,
      HOME: directory,
      MANAGEMENT_TOKEN: managementToken,
      LISTEN_ADDR: `127.0.0.1:${port}`,
      DATA_DIR: join(directory, "data"),
      API_CONFIG_PATH: providers,
      LOG_LEVEL: "info",
    },
  });
  const origin = `http://127.0.0.1:${port}`;
  await untilAnswering(`${origin}/ready`, "llm-proxy", logFile);
  const create = (path: string, fields: object) =>
    createResource(`${origin}/manage${path}`, managementToken, fields);
  const project = await create("/projects", {
    name: "bench",
    provider: "bench",
    api_key: `sk-${crypto.randomUUID()}`,
  });
  const token = await create("/tokens", { project_id: project["id"], duration_minutes: 600 });
  return { name: "llm-proxy", port, token: String(token["token"]), process: started };
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

async function untilAnswering(url: string, name: TargetName, logFile: string): Promise<void> {
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

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
