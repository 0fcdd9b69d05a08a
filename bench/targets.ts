import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Processes, Started } from "./processes.ts";
import { freePort, startProduct, untilAnswering } from "./product.ts";
import type { Tools } from "./tools.ts";

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
    await startBinary(ground, upstream.port),
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

async function startBinary({ processes, directory, tools }: Ground, upstreamPort: number): Promise<Target> {
  const product = await startProduct({
    processes,
    directory,
    binary: tools.binary,
    providers: { bench: { url: `http://127.0.0.1:${upstreamPort}` } },
    env: BUN_ENVIRONMENT,
  });
  const token = await product.newToken(await product.newProject("bench"));
  return { name: "llm-proxy", port: product.port, token, process: product.process };
}
