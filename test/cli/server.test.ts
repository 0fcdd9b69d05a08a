import { describe, expect, test } from "bun:test";
import { copyFileSync, existsSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { startFakeUpstream } from "../harness/fake-upstream.ts";
import { freePort } from "../harness/free-port.ts";
import { runCli, startProxy } from "../harness/proxy-process.ts";
import { temporaryDirectory } from "../harness/temporary-directory.ts";
import { event, replyJson, replySse } from "../harness/upstream-steps.ts";
import { binary } from "../packaging/binary.ts";
import { bindNotifySocket } from "./server-notify-socket.ts";

const isLinux = process.platform === "linux";
const managementToken = "0123456789abcdef0123456789abcdef";

/** Polls what only another process can change. @throws {Error} past 10 s */
async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const giveUpAtMs = performance.now() + 10_000;
  while (!(await holds())) {
    if (performance.now() > giveUpAtMs) throw new Error(`waited in vain for ${what}`);
    await delay(20);
  }
}

const isReady = (origin: string): Promise<boolean> =>
  fetch(`${origin}/ready`).then(
    (answer) => answer.ok,
    () => false,
  );

describe("a start", () => {
  test("without a management token ends with 1, one message, what to do, and no trace of the program", async () => {
    using data = temporaryDirectory();
    const ran = await runCli(["server"], { env: { DATA_DIR: join(data.path, "d") } });
    expect(ran.code).toBe(1);
    expect(ran.stdout).toBe("");
    expect(ran.stderr).toContain("MANAGEMENT_TOKEN is not set: run llm-proxy setup");
    expect(ran.stderr).not.toMatch(/\bat \S+ \(|\.ts:\d/);
    expect(existsSync(join(data.path, "d"))).toBe(false);
  });

  test("with a wrong flag ends with 2", async () => {
    const ran = await runCli(["server", "--adr", ":1"], { env: { MANAGEMENT_TOKEN: managementToken } });
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain("--addr");
  });

  test("on a port that a first server has fails within 2 s, and the first gets all requests (OPS-101)", async () => {
    await using upstream = await startFakeUpstream();
    await using first = await startProxy({ upstream: upstream.origin });
    using data = temporaryDirectory();
    const startMs = performance.now();
    const second = await runCli(["server"], { env: { ...first.env, DATA_DIR: data.path } });
    expect(performance.now() - startMs).toBeLessThan(2_000);
    expect(second.code).toBe(1);
    expect(second.stderr).toContain(`address_in_use: The address 127.0.0.1:${first.port} is in use`);
    const statuses = await Promise.all(
      Array.from({ length: 50 }, () => fetch(`${first.origin}/live`).then((r) => r.status)),
    );
    expect(new Set(statuses)).toEqual(new Set([200]));
  });

  test.if(isLinux)(
    "replaces the process once, so that more than 256 requests may fly: same number, no child",
    async () => {
      await using upstream = await startFakeUpstream();
      await using proxy = await startProxy({ upstream: upstream.origin });
      const environment = readFileSync(`/proc/${proxy.pid}/environ`, "utf8").split("\0");
      expect(environment).toContain("BUN_CONFIG_MAX_HTTP_REQUESTS=65535");
      expect(readFileSync(`/proc/${proxy.pid}/task/${proxy.pid}/children`, "utf8")).toBe("");
    },
  );

  test.if(isLinux)("with a limit set by the operator keeps it", async () => {
    await using upstream = await startFakeUpstream();
    const env = { BUN_CONFIG_MAX_HTTP_REQUESTS: "300" };
    await using proxy = await startProxy({ upstream: upstream.origin, env });
    expect(readFileSync(`/proc/${proxy.pid}/environ`, "utf8")).toContain("BUN_CONFIG_MAX_HTTP_REQUESTS=300");
  });

  test("takes the env file that setup wrote, and leaves one of the working directory alone", async () => {
    using data = temporaryDirectory();
    using work = temporaryDirectory();
    const port = await freePort();
    const env = { DATA_DIR: data.path };
    const cwd = work.path;
    await Bun.write(join(cwd, ".env"), "MANAGEMENT_TOKEN=evil-evil-evil-evil\nLISTEN_ADDR=:1\n");
    const setup = await runCli(["setup", "--skip-project", "--addr", `127.0.0.1:${port}`], { env, cwd });
    expect(setup.code).toBe(0);
    const server = Bun.spawn([binary, "server"], { env, cwd, stdout: "ignore", stderr: "ignore" });
    try {
      await until(() => isReady(`http://127.0.0.1:${port}`), "the server");
    } finally {
      server.kill();
      expect(await server.exited).toBe(0);
    }
    expect(readdirSync(cwd)).toEqual([".env"]);
  });
});

describe("a stop", () => {
  const slowStream = () =>
    replySse(
      [1, 2, 3, 4, 5, 6].map((n) => event({ n })),
      200,
    );
  const open = async (proxy: Awaited<ReturnType<typeof startProxy>>): Promise<Response> => {
    const project = await proxy.newProject();
    const { token } = await proxy.newToken(project.id);
    return await fetch(`${proxy.origin}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: '{"model":"m","stream":true}',
    });
  };

  test("lets a running stream end whole, takes nothing new, and exits 0 at once after it (OPS-102)", async () => {
    await using upstream = await startFakeUpstream({ answer: slowStream });
    await using proxy = await startProxy({ upstream: upstream.origin });
    const answer = await open(proxy);
    const stopping = proxy.stop("SIGTERM");
    await until(async () => !(await isReady(proxy.origin)), "the port to close");
    expect(await answer.text()).toBe([1, 2, 3, 4, 5, 6].map((n) => event({ n })).join(""));
    const endedMs = performance.now();
    const { code } = await stopping;
    expect(code).toBe(0);
    expect(performance.now() - endedMs).toBeLessThan(1_000);
  });

  test("is cut short by a second signal (OPS-102)", async () => {
    const endless = () =>
      replySse(
        Array.from({ length: 100 }, (_, n) => event({ n })),
        200,
      );
    await using upstream = await startFakeUpstream({ answer: endless });
    await using proxy = await startProxy({ upstream: upstream.origin });
    const answer = await open(proxy);
    const whole = answer.text().then(
      () => "whole",
      () => "cut",
    );
    const stopping = proxy.stop("SIGINT");
    await until(async () => !(await isReady(proxy.origin)), "the port to close");
    const againMs = performance.now();
    process.kill(proxy.pid, "SIGINT");
    await stopping;
    expect(performance.now() - againMs).toBeLessThan(2_000);
    expect(await whole).toBe("cut");
  });

  test("that comes while it starts ends it without a fault", async () => {
    using data = temporaryDirectory();
    const env = { DATA_DIR: data.path, LISTEN_ADDR: "127.0.0.1:0", MANAGEMENT_TOKEN: managementToken };
    const server = Bun.spawn([binary, "server"], { env, stdout: "ignore", stderr: "pipe" });
    await until(() => existsSync(join(data.path, "llm-proxy.db")), "the database");
    server.kill("SIGTERM");
    expect(await server.exited).toBe(0);
  });

  const mayUnshare = isLinux && Bun.spawnSync(["unshare", "--fork", "--pid", "true"]).success;
  test.if(mayUnshare)("works for process 1 of a container as well (OPS-107)", async () => {
    using data = temporaryDirectory();
    const port = await freePort();
    const env = { DATA_DIR: data.path, LISTEN_ADDR: `127.0.0.1:${port}`, MANAGEMENT_TOKEN: managementToken };
    const outer = Bun.spawn(["unshare", "--fork", "--pid", "--kill-child", binary, "server"], {
      env: { ...env, PATH: process.env["PATH"] ?? "" },
      stdout: "ignore",
      stderr: "ignore",
    });
    await until(() => isReady(`http://127.0.0.1:${port}`), "the server");
    const inner = Number(readFileSync(`/proc/${outer.pid}/task/${outer.pid}/children`, "utf8").trim());
    expect(readFileSync(`/proc/${inner}/status`, "utf8")).toMatch(/^NSpid:\s+\d+\s+1$/m);
    process.kill(inner, "SIGTERM");
    expect(await outer.exited).toBe(0);
  });
});

test("SIGHUP opens the log file anew and ends nothing, however often it comes (CFG-105)", async () => {
  using logs = temporaryDirectory();
  const file = join(logs.path, "server.log");
  await using upstream = await startFakeUpstream({ answer: () => replyJson({}) });
  await using proxy = await startProxy({ upstream: upstream.origin, args: ["--log-file", file] });
  renameSync(file, `${file}.1`);
  for (let n = 0; n < 50; n++) process.kill(proxy.pid, "SIGHUP");
  await until(() => existsSync(file), "a new log file");
  await proxy.manage("GET", "/projects");
  await until(() => readFileSync(file, "utf8").includes("/manage/projects"), "a line in the new log file");
  expect((await proxy.stop()).code).toBe(0);
});

describe("--daemon", () => {
  test("comes back when the server is ready, which lives on in a session of its own with all flags", async () => {
    using data = temporaryDirectory();
    const port = await freePort();
    const logFile = join(data.path, "log/server.log");
    const args = [
      "server",
      "-d",
      "--addr",
      `127.0.0.1:${port}`,
      "--log-file",
      logFile,
      "--log-level",
      "debug",
    ];
    const env = { DATA_DIR: join(data.path, "data"), MANAGEMENT_TOKEN: managementToken };
    const started = await runCli([...args, "--metrics-path", "/numbers"], { env });
    expect(started).toMatchObject({ code: 0, stdout: "" });
    const pid = Number(/process (\d+)/.exec(started.stderr)?.[1]);
    try {
      expect((await fetch(`http://127.0.0.1:${port}/numbers`)).status).toBe(200);
      expect(readFileSync(join(data.path, "data/server.pid"), "utf8")).toBe(`${pid}\n`);
      if (isLinux)
        expect(readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ")[3]).toBe(String(pid));
    } finally {
      process.kill(pid, "SIGTERM");
    }
    await until(() => !existsSync(join(data.path, "data/server.pid")), "the pid file to go");
    expect(readFileSync(logFile, "utf8")).toContain("listens on");
  });

  test("says why it did not start", async () => {
    await using upstream = await startFakeUpstream();
    await using first = await startProxy({ upstream: upstream.origin });
    using data = temporaryDirectory();
    const args = ["server", "--daemon", "--log-file", join(data.path, "log")];
    const second = await runCli(args, { env: { ...first.env, DATA_DIR: data.path } });
    expect(second.code).toBe(1);
    expect(second.stderr).toContain("is in use");
    const without = await runCli(["server", "-d"], { env: { ...first.env, DATA_DIR: data.path } });
    expect(without.code).toBe(1);
    expect(without.stderr).toContain("LOG_FILE");
  });
});

test.if(isLinux)("systemd is told READY when the port is open, and STOPPING (OPS-103)", async () => {
  using directory = temporaryDirectory();
  const path = join(directory.path, "notify");
  using socket = bindNotifySocket(path);
  await using upstream = await startFakeUpstream();
  await using proxy = await startProxy({ upstream: upstream.origin, env: { NOTIFY_SOCKET: path } });
  let message: string | undefined;
  const next = (): boolean => {
    message = socket.receive();
    return message !== undefined;
  };
  await until(next, "READY");
  expect(message).toBe("READY=1");
  expect((await proxy.stop()).code).toBe(0);
  await until(next, "STOPPING");
  expect(message).toBe("STOPPING=1");
});

test("a running server needs nothing from its file: it may be replaced and deleted (OPS-108)", async () => {
  using directory = temporaryDirectory();
  const own = join(directory.path, "llm-proxy");
  copyFileSync(binary, own);
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const env = {
    DATA_DIR: directory.path,
    LISTEN_ADDR: `127.0.0.1:${port}`,
    MANAGEMENT_TOKEN: managementToken,
  };
  const server = Bun.spawn([own, "server"], { env, stdout: "ignore", stderr: "ignore" });
  try {
    await until(() => isReady(origin), "the server");
    renameSync(own, `${own}.old`);
    rmSync(`${own}.old`);
    const health = (await (await fetch(`${origin}/health`)).json()) as { version: string };
    expect(health.version).not.toBe("");
    const page = await (await fetch(`${origin}/docs`)).text();
    const assets = [...page.matchAll(/(?:src|href)="(\/docs[^"]+)"/g)].map(([, path]) => path);
    expect(assets.length).toBeGreaterThan(0);
    for (const path of assets) expect((await fetch(`${origin}${path}`)).status).toBe(200);
  } finally {
    server.kill();
    expect(await server.exited).toBe(0);
  }
});
