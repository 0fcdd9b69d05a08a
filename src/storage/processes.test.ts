import { Database as Raw } from "bun:sqlite";
import { expect, test } from "bun:test";
import { join } from "node:path";
import { sqliteMigrations } from "../../migrations/index.ts";
import { aProject, aToken } from "../../test/harness/rows.ts";
import { temporaryDirectory } from "../../test/harness/temporary-directory.ts";
import { systemClock } from "../clock.ts";
import { noLimits } from "../limit/limits.ts";
import { migrate } from "./migrate.ts";
import { createProjectRepository } from "./project-repository.ts";
import { createSqlite } from "./sqlite.ts";
import { createTokenRepository } from "./token-repository.ts";

const root = join(import.meta.dir, "..", "..");
const prelude = `
  import { createSqlite } from "${root}/src/storage/sqlite.ts";
  import { migrate } from "${root}/src/storage/migrate.ts";
  import { createLedgerRepository } from "${root}/src/storage/ledger-repository.ts";
  import { openDatabase } from "${root}/src/storage/open.ts";
  import { sqliteMigrations } from "${root}/migrations/index.ts";
  import { systemClock } from "${root}/src/clock.ts";
  const path = process.argv.at(-1);
`;

/** Runs a script in a process of its own; its last argument is the database. */
function start(script: string, path: string, before: readonly string[] = []) {
  return Bun.spawn([...before, process.execPath, "-e", prelude + script, path], {
    cwd: root,
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
}

async function outcome(child: ReturnType<typeof start>): Promise<string> {
  const [output, errors] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  if ((await child.exited) !== 0) throw new Error(errors);
  return output.trim();
}

async function seededTokens(path: string, maxRequests: number | null): Promise<void> {
  const database = createSqlite({ path });
  await migrate(database, sqliteMigrations, systemClock);
  await createProjectRepository(database).insert(aProject("p"), undefined);
  await createTokenRepository(database).insert(aToken("t", { limits: { ...noLimits, maxRequests } }));
  await database.close();
}

test("processes that start at once on a new database all end well, and each migration is applied once (DBS-105)", async () => {
  using directory = temporaryDirectory();
  const script = `
    process.stdin.once("data", async () => {
      const database = createSqlite({ path });
      const result = await migrate(database, sqliteMigrations, systemClock);
      await database.close();
      console.log(result.ok ? result.value.length : result.error.code);
      process.exit();
    });
    console.error("ready");
  `;
  const children = [1, 2, 3].map(() => start(script, join(directory.path, "new", "llm-proxy.db")));
  const outcomes = children.map(async (child) => {
    const errors = child.stderr.getReader();
    await errors.read();
    child.stdin.write("go\n");
    child.stdin.flush();
    const output = await child.stdout.text();
    expect(await child.exited).toBe(0);
    return Number(output);
  });
  const applied = await Promise.all(outcomes);
  expect(applied.reduce((sum, count) => sum + count, 0)).toBe(sqliteMigrations.length);
}, 20_000);

test("processes that race for a limit grant exactly as many requests as it allows (DBS-101)", async () => {
  using directory = temporaryDirectory();
  const path = join(directory.path, "llm-proxy.db");
  await seededTokens(path, 500);
  const script = `
    const node = { id: String(process.pid), host: "here", pid: process.pid, isAlive: () => true };
    const ledger = createLedgerRepository(createSqlite({ path }), node);
    const bounds = [{ scope: "token", id: "t", limits: { budgetNanoUsd: null } }];
    let granted = 0;
    for (let round = 0; round < 40; round++) {
      const admissions = Array.from({ length: 10 }, () => ({
        entryId: crypto.randomUUID(), requestId: "r", atMs: 1, projectId: "p", tokenId: "t", provider: "openai",
        method: "POST", path: "/", model: "", bounds, reserve: 0n,
      }));
      granted += (await ledger.admit(admissions)).filter(({ ok }) => ok).length;
    }
    console.log(granted);
  `;
  const granted = await Promise.all([start(script, path), start(script, path)].map(outcome));
  expect(granted.reduce((sum, count) => sum + Number(count), 0)).toBe(500);
}, 20_000);

test("a process that is killed while it writes leaves a whole database with whole transactions", async () => {
  using directory = temporaryDirectory();
  const path = join(directory.path, "llm-proxy.db");
  await seededTokens(path, null);
  const script = `
    const database = createSqlite({ path });
    const bump = { sql: "UPDATE tokens SET request_count = request_count + 1, cache_hit_count = cache_hit_count", values: [] };
    const mirror = { sql: "UPDATE tokens SET cache_hit_count = request_count", values: [] };
    for (let count = 1; ; count++) {
      await database.write([bump, mirror]);
      if (count === 200) console.log("busy");
    }
  `;
  const child = start(script, path);
  await child.stdout.getReader().read();
  child.kill("SIGKILL");
  await child.exited;
  const raw = new Raw(path);
  expect(raw.query("PRAGMA integrity_check").get()).toEqual({ integrity_check: "ok" });
  const token = raw
    .query<{ request_count: number; cache_hit_count: number }, []>("SELECT * FROM tokens")
    .get();
  expect(token?.request_count).toBeGreaterThanOrEqual(200);
  expect(token?.cache_hit_count).toBe(token?.request_count ?? -1);
  raw.close();
}, 20_000);

const isRoot = process.getuid?.() === 0;
const other = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
const openScript = `
  const opened = openDatabase({ path });
  console.log(opened.ok ? "opened" : opened.error.code);
`;

test.skipIf(!isRoot || Bun.which("setpriv") === null)(
  "a directory or a file that the user may not write is a named fault",
  async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "llm-proxy.db");
    await seededTokens(path, null);
    await Bun.$`chmod 755 ${directory.path} && chmod 644 ${path}`.quiet();
    expect(await outcome(start(openScript, path, other))).toBe("database_unwritable");
    expect(await outcome(start(openScript, join(directory.path, "new.db"), other))).toBe(
      "database_unwritable",
    );
  },
  20_000,
);

const canMount =
  isRoot && Bun.which("unshare") !== null && Bun.spawnSync(["unshare", "-m", "true"]).exitCode === 0;
const inSmallDisk = (directory: string) => [
  "unshare",
  "-m",
  "sh",
  "-c",
  `mount -t tmpfs -o size=512k none ${directory} && exec "$@"`,
  "sh",
];

test.skipIf(!canMount)(
  "on a disk that is full writes are refused by name, and work again without a restart when there is room (DBS-102)",
  async () => {
    using directory = temporaryDirectory();
    const script = `
      import { rmSync, writeFileSync } from "node:fs";
      const database = createSqlite({ path });
      await migrate(database, sqliteMigrations, systemClock);
      const filler = path + ".filler";
      try { writeFileSync(filler, Buffer.alloc(1024 * 1024)); } catch {}
      const put = (n) => database.write([{ sql: "INSERT INTO meta VALUES (?, ?)", values: [String(n), "x".repeat(20000)] }])
        .then(() => "written", (error) => error.code);
      console.log(await put(1));
      rmSync(filler);
      console.log(await put(2), (await database.first("PRAGMA integrity_check")).integrity_check);
    `;
    const child = start(script, join(directory.path, "llm-proxy.db"), inSmallDisk(directory.path));
    expect((await outcome(child)).split("\n")).toEqual(["database_full", "written ok"]);
  },
  20_000,
);
