import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "../src/config/settings.ts";
import { freePort } from "../test/harness/free-port.ts";
import { temporaryDirectory } from "../test/harness/temporary-directory.ts";
import { loadOrThrow } from "./config-flags.ts";
import { CommandError } from "./output.ts";
import { startInBackground } from "./server-daemon.ts";

/** Settings of a server in the background that lives in a directory. */
function configIn(directory: string, port: number): Config {
  const environment = {
    MANAGEMENT_TOKEN: "0123456789abcdef0123456789abcdef",
    DATA_DIR: directory,
    LISTEN_ADDR: `127.0.0.1:${port}`,
    LOG_FILE: join(directory, "log", "server.log"),
  };
  return loadOrThrow({}, { environment, cwd: directory }).config;
}

/** A program that acts as a server would. */
function program(script: string) {
  return {
    file: process.execPath,
    args: ["-e", script],
    environment: { PATH: process.env["PATH"] ?? "" },
    cwd: "/",
  };
}

const writePid = (config: Config): string =>
  `require("node:fs").writeFileSync(${JSON.stringify(config.pidFile)}, process.pid + String.fromCharCode(10));`;

describe("in the background", () => {
  test("a server is waited for until it is ready, in a session of its own", async () => {
    using directory = temporaryDirectory();
    const port = await freePort();
    const config = configIn(directory.path, port);
    const script = `
      console.log("hello from the child");
      Bun.serve({ port: ${port}, hostname: "127.0.0.1", fetch: () => new Response("ready") });
      ${writePid(config)}`;
    const pid = await startInBackground(program(script), config, config.logFile ?? "");
    try {
      expect((await fetch(`http://127.0.0.1:${port}/ready`)).status).toBe(200);
      expect(readFileSync(config.pidFile, "utf8")).toBe(`${pid}\n`);
      expect(readFileSync(config.logFile ?? "", "utf8")).toContain("hello from the child");
      if (process.platform === "linux") {
        const session = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ")[3];
        expect(session).toBe(String(pid));
      }
    } finally {
      process.kill(pid, "SIGKILL");
    }
  });

  test("a server that ends says why: only what it added to the log is shown", async () => {
    using directory = temporaryDirectory();
    const config = configIn(directory.path, 0);
    const logFile = join(directory.path, "server.log");
    await Bun.write(logFile, "a line of yesterday\n");
    const fault = await startInBackground(
      program(`console.error("the port is taken"); process.exit(1)`),
      config,
      logFile,
    ).catch((error) => error);
    expect(fault).toBeInstanceOf(CommandError);
    expect(fault.message).toContain("the port is taken");
    expect(fault.message).not.toContain("yesterday");
  });

  test("another server at the same address is not taken for the new one", async () => {
    using directory = temporaryDirectory();
    await using other = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("ready") });
    const config = configIn(directory.path, other.port ?? 0);
    const late = `setTimeout(() => { console.error("address in use"); process.exit(1); }, 200)`;
    await expect(startInBackground(program(late), config, config.logFile ?? "")).rejects.toThrow(
      "address in use",
    );
  });

  test("with port 0 the pid file alone says that it serves", async () => {
    using directory = temporaryDirectory();
    const config = configIn(directory.path, 0);
    const script = `${writePid(config)} setInterval(() => {}, 1000);`;
    const pid = await startInBackground(program(script), config, config.logFile ?? "");
    process.kill(pid, "SIGKILL");
    expect(pid).toBeGreaterThan(1);
  });
});
