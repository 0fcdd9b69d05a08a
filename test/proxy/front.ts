import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../harness/free-port.ts";
import { localhostCertificate } from "../harness/localhost-certificate.ts";
import { within } from "../harness/mailbox.ts";
import { connectRaw } from "../harness/raw-client.ts";
import { temporaryDirectory } from "../harness/temporary-directory.ts";

/** A real front proxy with the configuration that is shipped in `deploy/`, in front of a server under test. */
export interface Front extends AsyncDisposable {
  readonly port: number;
  readonly isTls: boolean;
  /** Where it would write bodies to, if it did; undefined where it never does. */
  readonly spoolDirectory: string | undefined;
}

export type FrontName = "nginx" | "Caddy";

interface Place {
  readonly directory: string;
  readonly port: number;
  readonly serverPort: number;
  /** Lines of the shipped configuration that are left out. */
  readonly without?: RegExp | undefined;
}

function shipped(name: string, { serverPort, without }: Place): string {
  const text = readFileSync(join(import.meta.dirname, "../../deploy", name), "utf8");
  const lines = text.split("\n").filter((line) => !without?.test(line));
  return lines
    .join("\n")
    .replaceAll("llm.example.com", "localhost")
    .replace("127.0.0.1:8080", `127.0.0.1:${serverPort}`);
}

/** The program of a front proxy; undefined where it is not installed. */
export function programOf(name: FrontName): string | undefined {
  const path = `${process.env["PATH"]}:/usr/sbin:/sbin`;
  return Bun.which(name.toLowerCase(), { PATH: path }) ?? undefined;
}

/**
 * Starts it; only addresses, names and files are not those of the shipped configuration.
 * @param without lines that are left out of it
 */
export async function startFront(name: FrontName, serverPort: number, without?: RegExp): Promise<Front> {
  const directory = temporaryDirectory();
  const port = await freePort();
  const place: Place = { directory: directory.path, port, serverPort, without };
  const command = name === "nginx" ? nginx(place) : caddy(place);
  const child = Bun.spawn([programOf(name) ?? "", ...command], {
    env: { HOME: directory.path, XDG_DATA_HOME: directory.path, XDG_CONFIG_HOME: directory.path },
    cwd: directory.path,
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  const said = new Response(child.stderr).text();
  const open = async () => {
    while (child.exitCode === null) {
      const client = await connectRaw(port).catch(() => undefined);
      client?.close();
      if (client !== undefined) return;
      await Bun.sleep(20);
    }
    throw new Error(`${name} ended: ${await said}`);
  };
  await within(open(), 10_000, () => `open port of ${name}`);
  return {
    port,
    isTls: name === "nginx",
    spoolDirectory: name === "nginx" ? join(directory.path, "spool") : undefined,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await child.exited;
      directory[Symbol.dispose]();
    },
  };
}

function nginx(place: Place): string[] {
  const { directory, port } = place;
  const spool = join(directory, "spool");
  mkdirSync(spool);
  chmodSync(directory, 0o755); // workers of a root nginx are somebody else
  writeFileSync(join(directory, "fullchain.pem"), localhostCertificate.cert);
  writeFileSync(join(directory, "privkey.pem"), localhostCertificate.key);
  const site = shipped("nginx.conf", place)
    .replace("listen 443", `listen ${port}`)
    .replaceAll("/etc/ssl/localhost", directory);
  writeFileSync(join(directory, "site.conf"), site);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (kind) => `${kind}_temp_path ${join(spool, kind)};`,
  );
  const file = join(directory, "nginx.conf");
  const main = `pid nginx.pid; error_log stderr; daemon off; events {}\n`;
  writeFileSync(file, `${main}http { access_log off; ${temporary.join(" ")} include site.conf; }`);
  return ["-p", directory, "-e", "stderr", "-c", file];
}

function caddy(place: Place): string[] {
  const { directory, port } = place;
  const site = shipped("Caddyfile", place).replace(/^localhost \{/m, `http://localhost:${port} {`);
  const file = join(directory, "Caddyfile");
  writeFileSync(file, `{\n\tadmin off\n}\n${site}`);
  return ["run", "--adapter", "caddyfile", "--config", file];
}
