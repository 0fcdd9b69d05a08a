import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { newCanary } from "../harness/canary.ts";
import { startFakeUpstream } from "../harness/fake-upstream.ts";
import { freePort } from "../harness/free-port.ts";
import { runCli } from "../harness/proxy-process.ts";
import { temporaryDirectory } from "../harness/temporary-directory.ts";
import { replyJson } from "../harness/upstream-steps.ts";
import { binary } from "../packaging/binary.ts";

/** The binary on a terminal: what it shows, and keys to press once it shows something. */
function onTerminal(args: readonly string[], env: Record<string, string>) {
  let shown = "";
  const child = Bun.spawn([binary, ...args], {
    env: { PATH: process.env["PATH"] ?? "", ...env },
    cwd: "/",
    terminal: {
      cols: 200,
      rows: 50,
      data(_, bytes) {
        shown += Buffer.from(bytes).toString();
      },
    },
  });
  return {
    child,
    shown: () => shown,
    async answer(question: string, keys: string) {
      const giveUpAtMs = performance.now() + 10_000;
      while (!shown.includes(question)) {
        if (performance.now() > giveUpAtMs) throw new Error(`not asked: ${question}\n${shown}`);
        await delay(10);
      }
      child.terminal?.write(keys);
    },
  };
}

describe("setup on a terminal", () => {
  test("asks, shows no secret that is typed, and ends with a working project", async () => {
    using directory = temporaryDirectory();
    const DATA_DIR = join(directory.path, "data");
    const key = newCanary("provider-key");
    const { child, shown, answer } = onTerminal(["setup"], { DATA_DIR });
    await answer("Env file to write", "\r");
    await answer("Management token", "\r");
    await answer("Database file", "\r");
    await answer("Listen address", ":9\x7f8123\r");
    await answer("Create a project", "y\r");
    await answer("Provider key", `${key}\r`);
    await answer("Project name", "typed\r");
    await answer("Hours", "\r");
    expect(await child.exited).toBe(0);
    expect(shown()).toMatch(/Token: sk-wt-\S+/);
    expect(shown()).toContain("Project typed was made");
    expect(shown()).not.toContain(key);
    expect(readFileSync(join(DATA_DIR, "llm-proxy.env"), "utf8")).toContain("LISTEN_ADDR=0.0.0.0:8123\n");
  });

  test("left by Ctrl-C has changed nothing (CLI-103)", async () => {
    using directory = temporaryDirectory();
    const { child, shown, answer } = onTerminal(["setup"], { DATA_DIR: join(directory.path, "data") });
    await answer("Env file to write", "\r");
    await answer("Management token", "\x03");
    expect(await child.exited).toBe(1);
    expect(shown()).toContain("Setup was stopped, nothing was changed");
    expect(readdirSync(directory.path)).toEqual([]);
  });
});

describe("setup without a terminal", () => {
  test("asks nothing: what is missing is wrong usage", async () => {
    using directory = temporaryDirectory();
    const ran = await runCli(["setup"], {
      env: { DATA_DIR: join(directory.path, "data") },
      cwd: directory.path,
    });
    expect(ran.code).toBe(2);
    expect(ran.stdout).toBe("");
    expect(ran.stderr).toContain("Provider openai needs a key");
    expect(readdirSync(directory.path)).toEqual([]);
  });

  test("makes files for their owner alone under any umask (CLI-103)", () => {
    using directory = temporaryDirectory();
    for (const umask of ["0000", "0077"]) {
      const DATA_DIR = join(directory.path, umask);
      const run = Bun.spawnSync(["sh", "-c", `umask ${umask}; exec "$0" setup --skip-project`, binary], {
        env: { PATH: process.env["PATH"] ?? "", DATA_DIR },
        cwd: directory.path,
      });
      expect(run.exitCode).toBe(0);
      expect(statSync(join(DATA_DIR, "llm-proxy.env")).mode & 0o777).toBe(0o600);
      expect(statSync(join(DATA_DIR, "llm-proxy.db")).mode & 0o777).toBe(0o600);
      expect(statSync(DATA_DIR).mode & 0o777).toBe(0o700);
    }
  });

  test("in a place that cannot be written fails with a message and leaves nothing", async () => {
    using directory = temporaryDirectory();
    await Bun.write(join(directory.path, "data"), "a file");
    const ran = await runCli(["setup", "--skip-project"], {
      env: { DATA_DIR: join(directory.path, "data") },
    });
    expect(ran.code).toBe(1);
    expect(ran.stderr).toMatch(/^Error: .*data/);
    expect(ran.stderr).not.toMatch(/\bat \S+ \(|\.ts:\d/);
    expect(readdirSync(directory.path)).toEqual(["data"]);
  });

  test("ends with a curl that reaches the provider as it is printed (contract 8.1)", async () => {
    await using upstream = await startFakeUpstream({ answer: () => replyJson({ ok: true }) });
    using directory = temporaryDirectory();
    const key = newCanary("provider-key");
    const env = {
      DATA_DIR: join(directory.path, "data"),
      OPENAI_API_URL: upstream.origin,
      LISTEN_ADDR: `127.0.0.1:${await freePort()}`,
    };
    const setup = await runCli(["setup", "--openai-key", "-", "--project", "p"], { env, stdin: `${key}\n` });
    expect(setup.code).toBe(0);
    expect(setup.stderr).not.toContain("list of processes");
    const curl = setup.stdout.slice(setup.stdout.indexOf("curl "));
    const server = Bun.spawn([binary, "server"], {
      env,
      cwd: directory.path,
      stdout: "ignore",
      stderr: "ignore",
    });
    try {
      const ready = `curl -sf --retry 50 --retry-connrefused --retry-delay 0 http://${env.LISTEN_ADDR}/ready >/dev/null`;
      const shell = Bun.spawn(["sh", "-c", `${ready}; ${curl}`], { stdout: "pipe", stderr: "ignore" });
      expect(await shell.stdout.text()).toBe('{"ok":true}');
      const [request] = upstream.requests;
      expect(request?.target).toBe("/v1/chat/completions");
      expect(JSON.stringify(request?.headers)).toContain(`Bearer ${key}`);
    } finally {
      server.kill();
      await server.exited;
    }
    const kept = readdirSync(env.DATA_DIR).map((name) => readFileSync(join(env.DATA_DIR, name), "latin1"));
    expect(`${setup.stdout}${setup.stderr}${kept.join("")}`).not.toContain(key);
  });
});

describe("commands that look", () => {
  test("print one JSON document on stdout whatever they find, and exit by what they found (CLI-102)", async () => {
    using directory = temporaryDirectory();
    const env = { DATA_DIR: join(directory.path, "data"), LISTEN_ADDR: "127.0.0.1:0" };
    await runCli(["setup", "--skip-project"], { env });
    const lines: [string[], Record<string, string>, number][] = [
      [["config", "show", "--json"], {}, 0],
      [["config", "check", "--json"], {}, 0],
      [["config", "check", "--json"], { LOG_LEVEL: "loud" }, 1],
      [["config", "providers", "--json"], {}, 0],
      [["migrate", "status", "--json"], {}, 0],
      [["doctor", "--offline", "--json"], {}, 0],
      [["doctor", "--offline", "--json"], { LOG_LEVEL: "loud" }, 1],
    ];
    for (const [args, more, code] of lines) {
      const ran = await runCli(args, { env: { ...env, ...more } });
      expect(`${args.join(" ")}: ${ran.code}`).toBe(`${args.join(" ")}: ${code}`);
      expect(() => JSON.parse(ran.stdout)).not.toThrow();
      expect(ran.stderr === "").toBe(code === 0);
    }
  });

  test("make nothing in an empty directory (CLI-104)", async () => {
    using directory = temporaryDirectory();
    mkdirSync(join(directory.path, "work"));
    const cwd = join(directory.path, "work");
    for (const args of [
      ["config", "show"],
      ["config", "providers"],
      ["doctor", "--offline"],
      ["healthcheck"],
    ]) {
      await runCli(args, { env: { LISTEN_ADDR: `127.0.0.1:${await freePort()}` }, cwd });
    }
    expect(existsSync(join(cwd, "data"))).toBe(false);
    expect(readdirSync(cwd)).toEqual([]);
  });
});
