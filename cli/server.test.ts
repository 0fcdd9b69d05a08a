import { describe, expect, test } from "bun:test";
import { EventEmitter } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { recordedIo } from "../test/harness/recorded-io.ts";
import { temporaryDirectory } from "../test/harness/temporary-directory.ts";
import { CommandError } from "./output.ts";
import { runServer } from "./server.ts";

/** A server in this process, whose signals are a test's to send. */
function serverIn(
  directory: string,
  flags: Parameters<typeof runServer>[0],
  more: Record<string, string> = {},
) {
  const environment = {
    DATA_DIR: join(directory, "data"),
    LISTEN_ADDR: "127.0.0.1:0",
    LOG_FILE: join(directory, "server.log"),
    MANAGEMENT_TOKEN: "0123456789abcdef0123456789abcdef",
    BUN_CONFIG_MAX_HTTP_REQUESTS: "1000",
    ...more,
  };
  const written = new EventEmitter();
  const recorded = recordedIo({ environment, cwd: directory });
  const io = {
    ...recorded,
    stderr: {
      isTTY: false,
      write(text: string) {
        recorded.stderr.write(text);
        written.emit("text", recorded.err());
      },
    },
  };
  const events = new EventEmitter();
  const running = runServer(flags, io, { events, pid: 4711, execve: undefined });
  const listening = new Promise<string>((resolve) => {
    written.on("text", (text: string) => {
      const url = /listens on (\S+?)(?:,|\n)/.exec(text)?.[1];
      if (url !== undefined) resolve(url);
    });
  });
  return {
    io,
    events,
    running,
    listening: Promise.race([
      listening,
      running.then(
        () => "ended",
        () => "failed",
      ),
    ]),
  };
}

describe("llm-proxy server", () => {
  test("serves until it is told to stop; its pid file lives as long, in a directory made for it", async () => {
    using directory = temporaryDirectory();
    const { events, io, running, listening } = serverIn(directory.path, { pidFile: "run/here/server.pid" });
    const url = await listening;
    expect((await fetch(`${url}/ready`)).status).toBe(200);
    const pidFile = join(directory.path, "run/here/server.pid");
    expect(readFileSync(pidFile, "utf8")).toBe("4711\n");
    events.emit("SIGHUP");
    expect((await fetch(`${url}/live`)).status).toBe(200);
    events.emit("SIGTERM");
    await running;
    expect(existsSync(pidFile)).toBe(false);
    await expect(fetch(`${url}/live`)).rejects.toThrow();
    expect(io.err()).toBe(`llm-proxy listens on ${url}\n`);
    expect(io.out()).toBe("");
  });

  test("says where management listens, writes no pid file unasked, and prints warnings", async () => {
    using directory = temporaryDirectory();
    const more = { MANAGEMENT_LISTEN_ADDR: "127.0.0.1:0", REDIS_ADDR: "localhost:6379" };
    const { events, io, running, listening } = serverIn(directory.path, {}, more);
    await listening;
    events.emit("SIGINT");
    await running;
    expect(io.err()).toMatch(/^llm-proxy listens on \S+, management on http:\/\/127\.0\.0\.1:\d+$/m);
    expect(io.err()).toContain("Warning: REDIS_ADDR has no effect");
    expect(existsSync(join(directory.path, "data/server.pid"))).toBe(false);
  });

  test("does not start without a management token, empty or blank or missing, and says what to do (CFG-101)", async () => {
    using directory = temporaryDirectory();
    for (const MANAGEMENT_TOKEN of ["", "  ", '""']) {
      const { running } = serverIn(directory.path, {}, { MANAGEMENT_TOKEN });
      await expect(running).rejects.toThrow(/MANAGEMENT_TOKEN is not set: run llm-proxy setup.*\[missing\]/);
    }
    expect(existsSync(join(directory.path, "data"))).toBe(false);
  });

  test("tells every wrong setting at once", async () => {
    using directory = temporaryDirectory();
    const { running } = serverIn(
      directory.path,
      { listenAddr: "8o80" },
      { LOG_LEVEL: "loud", DAEMON: "flase" },
    );
    const fault = await running.catch((error) => error);
    expect(fault).toBeInstanceOf(CommandError);
    for (const name of ["--addr", "LOG_LEVEL", "DAEMON"]) expect(fault.message).toContain(name);
  });

  test("does not share a port with another program (OPS-101)", async () => {
    using directory = temporaryDirectory();
    await using other = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("other") });
    const LISTEN_ADDR = `127.0.0.1:${other.port}`;
    const { running } = serverIn(directory.path, {}, { LISTEN_ADDR });
    await expect(running).rejects.toThrow(new RegExp(`address_in_use: .*${LISTEN_ADDR} is in use`));
  });

  test("stops again where its pid file cannot be written", async () => {
    using directory = temporaryDirectory();
    writeFileSync(join(directory.path, "file"), "");
    const { running } = serverIn(directory.path, { pidFile: "file/server.pid" });
    await expect(running).rejects.toThrow(/^The pid file .*file\/server\.pid cannot be written \(E[A-Z]+\)/);
  });
});
