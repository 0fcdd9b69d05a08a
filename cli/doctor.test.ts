import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  closeSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { createFakeClock } from "../test/harness/fake-clock.ts";
import { freePort } from "../test/harness/free-port.ts";
import { recordedIo } from "../test/harness/recorded-io.ts";
import { temporaryDirectory } from "../test/harness/temporary-directory.ts";
import { examine } from "./doctor.ts";
import type { Check } from "./doctor-check.ts";
import { checkClock, checkOpenFiles } from "./doctor-machine.ts";
import { runMain } from "./main.ts";
import { setUp } from "./setup.ts";

/** An installation that is well, but for what `environment` and the test do to it. */
async function installation() {
  const directory = temporaryDirectory();
  const data = join(directory.path, "data");
  const providers = join(directory.path, "providers.yaml");
  const provider = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("never asked") });
  const api = (name: string, port: number | undefined) =>
    `  ${name}: { base_url: "http://127.0.0.1:${port}", auth: none, allowed_methods: [GET], allowed_endpoints: ["/*"] }\n`;
  const writeProviders = (first: number | undefined, second = provider.port) =>
    writeFileSync(providers, `default_api: first\napis:\n${api("first", first)}${api("second", second)}`);
  writeProviders(provider.port);
  const environment: Record<string, string> = {
    DATA_DIR: data,
    API_CONFIG_PATH: providers,
    LISTEN_ADDR: `127.0.0.1:${await freePort()}`,
  };
  const setup = recordedIo({ environment, cwd: directory.path });
  await setUp({ flags: { skipProject: true }, showSecrets: false, json: false }, setup);
  return {
    data,
    environment,
    writeProviders,
    /** Gives the checks by name, and whether all was well. */
    async look(more: Record<string, string> = {}, offline = false) {
      const io = recordedIo({ environment: { ...environment, ...more }, cwd: directory.path });
      const failure = await examine({ flags: {}, offline, json: true }, io).catch((error: Error) => error);
      const { ok, checks } = JSON.parse(io.out()) as { ok: boolean; checks: Check[] };
      expect(failure === undefined).toBe(ok);
      for (const { status, advice } of checks) expect(advice === undefined).toBe(status === "ok");
      return { ok, checks, of: (name: string) => checks.filter((check) => check.name === name) };
    },
    async [Symbol.asyncDispose]() {
      await provider.stop(true);
      directory[Symbol.dispose]();
    },
  };
}

describe("the doctor", () => {
  test("finds nothing on a fresh installation, and changes nothing", async () => {
    await using here = await installation();
    const before = readdirSync(here.data).map((name) => [name, statSync(join(here.data, name)).mtimeMs]);
    const { ok, checks } = await here.look();
    expect(ok).toBe(true);
    expect(checks.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["settings", "management token", "data directory", "secret files", "database"]),
    );
    expect(checks.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["port", "providers", "disk", "clock"]),
    );
    expect(readdirSync(here.data).map((name) => [name, statSync(join(here.data, name)).mtimeMs])).toEqual(
      before,
    );
  });

  test("prints a line for each check with what to do below it", async () => {
    await using here = await installation();
    const io = recordedIo({ environment: { ...here.environment, MANAGEMENT_TOKEN: "0123456789abcdef" } });
    expect(await runMain(["doctor", "--offline"], io)).toBe(0);
    expect(io.out()).toMatch(/^✓ settings {10}2 providers/m);
    expect(io.out()).toMatch(/^! management token {2}It has 16 characters\n {20}→ Make one with/m);
    expect(io.out()).not.toContain("providers  Reached");
  });

  test("lists every wrong setting and looks no further", async () => {
    await using here = await installation();
    const { ok, checks } = await here.look({ LOG_LEVEL: "loud", LISTEN_ADDR: "8o80" });
    expect(ok).toBe(false);
    expect(checks.map(({ name, status }) => `${name} ${status}`)).toEqual([
      "settings failed",
      "settings failed",
    ]);
  });

  test("fails for files that every user can read, and warns of a group that can", async () => {
    await using here = await installation();
    chmodSync(join(here.data, "llm-proxy.env"), 0o644);
    chmodSync(join(here.data, "llm-proxy.db"), 0o640);
    chmodSync(here.data, 0o777);
    const { ok, of } = await here.look();
    expect(ok).toBe(false);
    expect(of("secret files").map(({ status, advice }) => `${status}: ${advice}`)).toEqual([
      `failed: chmod 600 ${join(here.data, "llm-proxy.env")}`,
      `warning: chmod 600 ${join(here.data, "llm-proxy.db")}`,
    ]);
    expect(of("data directory")).toMatchObject([{ status: "warning" }]);
  });

  test("takes a database that is not there yet for well, and one that is none for failed", async () => {
    await using here = await installation();
    const path = join(here.data, "llm-proxy.db");
    rmSync(path);
    expect((await here.look()).of("database")).toMatchObject([{ status: "ok" }]);
    writeFileSync(path, "no database at all, as long as it is\n".repeat(100), { mode: 0o600 });
    expect((await here.look()).of("database")).toMatchObject([
      { status: "failed", message: expect.stringContaining("database_invalid") },
    ]);
  });

  test("tells that migrations are pending, without applying them", async () => {
    await using here = await installation();
    const path = join(here.data, "llm-proxy.db");
    rmSync(path);
    writeFileSync(path, "", { mode: 0o600 });
    for (const _ of [1, 2]) {
      expect((await here.look()).of("database")).toMatchObject([
        { status: "warning", message: expect.stringMatching(/lacks [1-9]\d* migrations/) },
      ]);
    }
  });

  test("tells an encryption key that does not fit the data, and makes or keeps none itself (SEC-109)", async () => {
    await using here = await installation();
    const key = (byte: number) => ({ ENCRYPTION_KEY: Buffer.alloc(32, byte).toString("base64") });
    for (const environment of [{}, key(1), key(2)]) {
      expect((await here.look(environment)).of("encryption key")).toMatchObject([
        { status: "ok", message: "Nothing has been sealed yet" },
      ]);
    }
    const environment = { ...here.environment, ...key(1) };
    const flags = { project: "p" };
    await setUp({ flags, provider: "first", showSecrets: false, json: false }, recordedIo({ environment }));
    expect((await here.look(key(1))).of("encryption key")).toMatchObject([
      { status: "ok", message: expect.stringContaining("opens") },
    ]);
    expect((await here.look(key(2))).of("encryption key")).toMatchObject([
      { status: "failed", message: expect.stringContaining("encryption_key_wrong") },
    ]);
    expect((await here.look()).of("encryption key")).toMatchObject([
      { status: "failed", message: expect.stringContaining("encryption_key_missing") },
    ]);
    expect(readdirSync(here.data)).not.toContain("encryption.key");
  });

  test("tells a damaged database", async () => {
    await using here = await installation();
    const path = join(here.data, "llm-proxy.db");
    const file = openSync(path, "r+");
    const pages = statSync(path).size / 4096;
    for (let page = 3; page < pages; page++) writeSync(file, Buffer.alloc(2048, 0xee), 0, 2048, page * 4096);
    closeSync(file);
    const { of } = await here.look();
    expect(of("database")).toMatchObject([{ status: "failed", message: expect.stringMatching(/damaged/) }]);
  });

  test("tells a server that is ready from one that is not, from a hung one and from a free port", async () => {
    await using here = await installation();
    expect((await here.look()).of("port")).toMatchObject([
      { status: "ok", message: expect.stringContaining("is free") },
    ]);
    let status = 200;
    await using server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: () => new Response("", { status }),
    });
    const at = { LISTEN_ADDR: `127.0.0.1:${server.port}` };
    expect((await here.look(at)).of("port")).toMatchObject([
      { status: "ok", message: expect.stringContaining("ready") },
    ]);
    status = 503;
    expect((await here.look(at)).of("port")).toMatchObject([{ status: "warning" }]);

    const hung = createServer();
    await new Promise<void>((resolve) => hung.listen(0, "127.0.0.1", resolve));
    const { port } = hung.address() as { port: number };
    const both = { ...at, MANAGEMENT_LISTEN_ADDR: `127.0.0.1:${port}` };
    expect((await here.look(both)).of("port").map((check) => check.status)).toEqual(["warning", "failed"]);
    hung.close();
  });

  test("fails for an address of another machine", async () => {
    await using here = await installation();
    const { of } = await here.look({ LISTEN_ADDR: "192.0.2.1:0" });
    expect(of("port")).toMatchObject([{ status: "failed" }]);
  });

  test("fails where the default provider cannot be reached, warns for others, sends nothing", async () => {
    await using here = await installation();
    expect((await here.look()).of("providers")).toMatchObject([{ message: "Reached: first, second" }]);
    here.writeProviders(1, 1);
    const { ok, of } = await here.look();
    expect(ok).toBe(false);
    expect(of("providers").map(({ status }) => status)).toEqual(["failed", "warning"]);
    expect((await here.look({}, true)).of("providers")).toEqual([]);
    const behindProxy = await here.look({ HTTPS_PROXY: "http://user:secret@127.0.0.1:1" });
    expect(behindProxy.of("providers")).toMatchObject([{ status: "warning" }]);
    expect(JSON.stringify(behindProxy.checks)).not.toContain("user:secret");
  });

  test("fails for a data directory that is none, or that cannot be made", async () => {
    await using here = await installation();
    const file = join(here.data, "file");
    writeFileSync(file, "", { mode: 0o600 });
    const elsewhere = { MANAGEMENT_TOKEN: "0123456789abcdef0123456789abcdef" };
    for (const DATA_DIR of [file, join(file, "below")]) {
      const { of } = await here.look({ ...elsewhere, DATA_DIR });
      expect(of("data directory")).toMatchObject([{ status: "failed" }]);
    }
    const fresh = join(here.data, "a/b");
    expect((await here.look({ ...elsewhere, DATA_DIR: fresh })).of("data directory")).toMatchObject([
      { status: "ok", message: `${fresh} is made at the first start` },
    ]);
  });
});

describe("the clock", () => {
  test("must not lie in the past, nor before what has been written", async () => {
    await using here = await installation();
    const databasePath = join(here.data, "llm-proxy.db");
    const config = { databasePath } as Parameters<typeof checkClock>[0];
    const clock = createFakeClock();
    const nowMs = clock.now();
    utimesSync(databasePath, nowMs / 1000, nowMs / 1000);
    expect(checkClock(config, clock).status).toBe("ok");
    utimesSync(databasePath, nowMs / 1000 + 3600, nowMs / 1000 + 3600);
    expect(checkClock(config, clock)).toMatchObject({
      status: "failed",
      message: expect.stringContaining("was written"),
    });
    expect(checkClock(config, { ...clock, now: () => 0 })).toMatchObject({ status: "failed" });
  });
});

test.each([
  ["unlimited", "ok"],
  ["65536", "ok"],
  ["4096", "warning"],
  ["256", "failed"],
])("%s open files are %s", (soft, status) => {
  expect(
    checkOpenFiles(`Max open files            ${soft}               1048576              files\n`),
  ).toMatchObject({
    status,
  });
});

test("a system that tells no limit of open files is not judged", () => {
  expect(checkOpenFiles("")).toBeUndefined();
});
