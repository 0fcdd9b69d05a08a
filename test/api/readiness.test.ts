import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type AppInProcess, startApp } from "../harness/app-in-process.ts";
import { within } from "../harness/mailbox.ts";
import { temporaryDirectory } from "../harness/temporary-directory.ts";
import { openLab } from "../proxy/lab.ts";
import { managementToken, startServer } from "./test-server.ts";

const upstream = "http://127.0.0.1:9";
const metricsToken = "the-metrics-token-of-this-test";

interface Detail {
  readonly ready: boolean;
  readonly draining: boolean;
  readonly checks: {
    readonly database: { readonly status: string };
    readonly disk: { readonly status: string; readonly free_bytes: number };
    readonly circuits: readonly Readonly<Record<string, unknown>>[];
  };
}

const ask = (app: Pick<AppInProcess, "origin">, token?: string) =>
  fetch(`${app.origin}/ready`, { headers: token === undefined ? {} : { authorization: `Bearer ${token}` } });

/** Asks until it is ready or not as wanted: an answer holds for two seconds. */
async function untilReady(app: AppInProcess, wanted: boolean): Promise<Detail> {
  let detail: Detail | undefined;
  const asking = async () => {
    while (detail?.ready !== wanted) {
      detail = (await (await ask(app, app.managementToken)).json()) as Detail;
      await Bun.sleep(50);
    }
  };
  await within(asking(), 6_000, () => `ready=${wanted}, only ${JSON.stringify(detail)}`);
  return detail as Detail;
}

async function anonymous(app: AppInProcess): Promise<readonly [number, string]> {
  const response = await ask(app);
  return [response.status, await response.text()];
}

/** A file system of its own at `path`; undefined where this user may not mount one. */
function mount(path: string, ...args: readonly string[]): Disposable | undefined {
  mkdirSync(path, { recursive: true });
  if (spawnSync("mount", [...args, path]).status !== 0) return undefined;
  return { [Symbol.dispose]: () => void spawnSync("umount", ["--lazy", path]) };
}

const mayMount = (() => {
  using home = temporaryDirectory();
  using tried = mount(join(home.path, "disk"), "-t", "tmpfs", "-o", "size=1m", "tmpfs");
  return tried !== undefined;
})();

/** Takes the right to write a file from this user, be it root; undefined where that cannot be done here. */
function lock(path: string): Disposable | undefined {
  const isRoot = process.getuid?.() === 0;
  const [program, off, on] = isRoot ? ["chattr", "+i", "-i"] : ["chmod", "0444", "0600"];
  const run = (mode: string) => spawnSync(program, [mode, path]).status;
  return run(off) === 0 ? { [Symbol.dispose]: () => void run(on) } : undefined;
}

const mayLock = (() => {
  using home = temporaryDirectory();
  const file = join(home.path, "file");
  writeFileSync(file, "");
  using tried = lock(file);
  return tried !== undefined;
})();

/** At once: an answer holds for two seconds. */
describe.concurrent("/ready", () => {
  test("a deleted database is told in a word to all, and why to those who may know; then all is well again", async () => {
    using home = temporaryDirectory();
    await using app = await startApp({ upstream, dataDirectory: home.path });
    expect(await anonymous(app)).toEqual([200, "ready"]);
    renameSync(app.databasePath, `${app.databasePath}.away`);
    expect((await untilReady(app, false)).checks.database).toEqual({ status: "database_missing" });
    expect(await anonymous(app)).toEqual([503, "not ready"]);
    expect((await fetch(`${app.origin}/live`)).status).toBe(200);
    renameSync(`${app.databasePath}.away`, app.databasePath);
    await untilReady(app, true);
    await app.stop();
    const lines = app
      .log()
      .split("\n")
      .filter((line) => /"msg":"(not ready|ready again)"/.test(line));
    expect(lines.map((line) => JSON.parse(line).database)).toEqual(["database_missing", "ok"]);
  });

  test("SEC-106 detail is for the metrics token and the management token; a wrong one shows no more than none", async () => {
    await using app = await startApp({ upstream, env: { METRICS_TOKEN: metricsToken } });
    for (const token of [metricsToken, app.managementToken]) {
      const response = await ask(app, token);
      expect([response.status, await response.json()]).toEqual([
        200,
        {
          ready: true,
          draining: false,
          checks: {
            database: { status: "ok" },
            disk: { status: "ok", free_bytes: expect.any(Number) },
            circuits: [],
          },
        },
      ]);
    }
    for (const token of [undefined, "wrong", `${metricsToken}x`]) {
      const response = await ask(app, token);
      expect([response.status, response.headers.get("content-type"), await response.text()]).toEqual([
        200,
        "text/plain; charset=utf-8",
        "ready",
      ]);
    }
  });

  test("SEC-106 guesses of the management token are counted here as anywhere", async () => {
    await using server = await startServer();
    const origin = server.base;
    for (let index = 0; index < 101; index++)
      expect((await ask({ origin }, `guess-${index}`)).status).toBe(200);
    const refused = await fetch(`${origin}/manage/projects`, { headers: { authorization: "Bearer guess" } });
    expect(refused.status).toBe(429);
    expect((await ask({ origin }, managementToken)).headers.get("content-type")).toContain("json");
  });

  test("the circuit of each upstream host is shown; an open one does not make the server unready", async () => {
    await using lab = await openLab({
      env: { CIRCUIT_BREAKER_THRESHOLD: "1", CIRCUIT_BREAKER_COOLDOWN: "30s" },
    });
    await lab.call("/v1/models");
    expect((await untilReady(lab.app, true)).checks.circuits).toEqual([
      { host: lab.upstream.origin, state: "closed", failures: 0, retry_after: 0 },
    ]);
    lab.upstream.answer(() => [(link) => link.reset()]);
    for (let index = 0; index < 3; index++) await lab.call("/v1/models", { body: "{}" });
    const [circuit] = (await untilReady(lab.app, true)).checks.circuits;
    expect(circuit).toMatchObject({ host: lab.upstream.origin, state: "open" });
    expect(circuit?.["retry_after"]).toBeWithin(25, 31);
  });

  test.if(mayMount)(
    "a full disk is told, and goes away with what fills it",
    async () => {
      using home = temporaryDirectory();
      using disk = mount(join(home.path, "disk"), "-t", "tmpfs", "-o", "size=24m", "tmpfs");
      expect(disk).toBeDefined();
      const data = join(home.path, "disk");
      await using app = await startApp({ upstream, dataDirectory: data });
      await untilReady(app, true);
      const filler = join(data, "filler");
      try {
        writeFileSync(filler, Buffer.alloc(32 << 20));
      } catch (fault) {
        expect((fault as NodeJS.ErrnoException).code).toBe("ENOSPC");
      }
      expect((await untilReady(app, false)).checks.disk).toEqual({
        status: "full",
        free_bytes: expect.any(Number),
      });
      expect(await anonymous(app)).toEqual([503, "not ready"]);
      rmSync(filler);
      expect((await untilReady(app, true)).checks.database.status).toBe("ok");
    },
    20_000,
  );

  test.if(mayLock)("a file that may only be read is told", async () => {
    using home = temporaryDirectory();
    await using app = await startApp({ upstream, dataDirectory: home.path });
    await untilReady(app, true);
    {
      using locked = lock(app.databasePath);
      expect(locked).toBeDefined();
      expect((await untilReady(app, false)).checks.database).toEqual({ status: "database_readonly" });
    }
    await untilReady(app, true);
  });
});
