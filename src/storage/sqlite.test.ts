import { Database as Raw } from "bun:sqlite";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TemporaryDirectory, temporaryDirectory } from "../../test/harness/temporary-directory.ts";
import { type Database, UnexpectedChanges, UniqueViolation } from "./database.ts";
import { DatabaseFault } from "./database-fault.ts";
import { openDatabase } from "./open.ts";
import { createSqlite } from "./sqlite.ts";

let directory: TemporaryDirectory;
let path: string;
const open: { close(): unknown }[] = [];

beforeEach(() => {
  directory = temporaryDirectory();
  path = join(directory.path, "new", "llm-proxy.db");
});
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
  directory[Symbol.dispose]();
});

function keepOpen<T extends { close(): unknown }>(database: T): T {
  open.push(database);
  return database;
}

/** A database with one table that counts as ours. */
async function openOurs(lockWaitMs?: number): Promise<Database> {
  const database = keepOpen(createSqlite({ path, ...(lockWaitMs !== undefined && { lockWaitMs }) }));
  await run(database, "CREATE TABLE schema_migrations (a INTEGER, b TEXT UNIQUE) STRICT");
  return database;
}

function run(database: Database, sql: string, ...values: (string | number | bigint | null)[]) {
  return database.write([{ sql, values }]);
}

const insert = "INSERT INTO schema_migrations VALUES (?, ?)";

function faultOf(work: () => unknown): DatabaseFault {
  try {
    work();
  } catch (error) {
    if (error instanceof DatabaseFault) return error;
    throw error;
  }
  throw new Error("it was opened");
}

test("a new database, its directory and what SQLite puts beside it are for the owner alone", async () => {
  await run(await openOurs(), insert, 1, "a");
  for (const file of [path, `${path}-wal`, `${path}-shm`]) expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(statSync(join(path, "..")).mode & 0o777).toBe(0o700);
});

test("no digit of an integer and no character of a text is lost (DBS-104)", async () => {
  const database = await openOurs();
  const numbers = [
    0,
    -1,
    Number.MAX_SAFE_INTEGER,
    Number.MIN_SAFE_INTEGER,
    9007199254740993n,
    2n ** 63n - 1n,
  ];
  const texts = ["", "🦊 naïve", "a\0b", "'; DROP TABLE x", "enc:v2:", "9007199254740993"];
  for (const [index, number] of numbers.entries()) await run(database, insert, number, texts[index] ?? null);
  const rows = await database.all<{ a: number | bigint; b: string }>(
    "SELECT a, b FROM schema_migrations ORDER BY rowid",
  );
  expect(rows.map(({ a }) => a)).toEqual(numbers);
  expect(rows.map(({ b }) => b)).toEqual(texts);
});

test("a number that is no integer is refused instead of rounded", async () => {
  await expect(run(await openOurs(), insert, 1.5, "a")).rejects.toThrow("REAL");
});

test("a list of statements is written whole or not at all, and tells the changed rows of each", async () => {
  const database = await openOurs();
  const one = { sql: insert, values: [1, "a"] };
  const update = { sql: "UPDATE schema_migrations SET a = a + 1 WHERE a > ?", values: [0] };
  expect(await database.write([one, { ...one, values: [2, "b"] }, update])).toEqual([1, 1, 2]);
  await expect(database.write([{ ...one, values: [3, "c"] }, one])).rejects.toThrow(UniqueViolation);
  expect(await database.first("SELECT COUNT(*) AS n, SUM(a) AS a FROM schema_migrations")).toEqual({
    n: 2,
    a: 5,
  });
});

test("where a statement changes other than the expected rows, nothing of its list is written", async () => {
  const database = await openOurs();
  const one = { sql: insert, values: [1, "a"], expectChanges: 1 };
  const update = { sql: "UPDATE schema_migrations SET a = 2 WHERE a = ?", values: [1], expectChanges: 2 };
  await expect(database.write([one, update])).rejects.toThrow(UnexpectedChanges);
  expect(await database.first("SELECT COUNT(*) AS n FROM schema_migrations")).toEqual({ n: 0 });
  expect(await database.write([one, { ...update, expectChanges: 1 }])).toEqual([1, 1]);
});

test.each([
  [false, 1],
  [true, 2],
])("where it is durable (%p), a commit is brought to the disk: synchronous %i", async (isDurable, level) => {
  const database = keepOpen(createSqlite({ path, isDurable }));
  expect(await database.first("PRAGMA synchronous")).toEqual({ synchronous: level });
});

test("a row that is not there is undefined", async () => {
  expect(await (await openOurs()).first("SELECT 1 FROM schema_migrations")).toBeUndefined();
});

test("more statements than are kept prepared still work", async () => {
  const database = await openOurs();
  for (let round = 0; round < 2; round++)
    for (let number = 0; number < 250; number++)
      expect(await database.first<{ n: number }>(`SELECT ${number} AS n`)).toEqual({ n: number });
});

test("the foreign version changes by the commits of others, not by our own", async () => {
  const database = await openOurs();
  const before = database.foreignVersion();
  await run(database, insert, 1, "a");
  expect(database.foreignVersion()).toBe(before);
  const other = keepOpen(new Raw(path));
  other.run("INSERT INTO schema_migrations VALUES (2, 'b')");
  const after = database.foreignVersion();
  expect(after).not.toBe(before);
  expect(database.foreignVersion()).toBe(after);
});

test("a file that was overwritten meanwhile is named by the foreign version too", async () => {
  const database = await openOurs();
  writeFileSync(path, "hello, world ".repeat(1000));
  truncateSync(`${path}-wal`);
  writeFileSync(`${path}-shm`, Buffer.alloc(32_768), { flag: "r+" }); // SQLite has to read it all anew
  expect(faultOf(() => database.foreignVersion()).code).toBe("database_invalid");
});

test("while another process holds the lock, writes wait in order, reads and the event loop go on (DBS-101)", async () => {
  const database = await openOurs();
  const other = keepOpen(new Raw(path));
  other.run("BEGIN IMMEDIATE");
  const done: string[] = [];
  const writes = ["a", "b", "c"].map((name, index) =>
    run(database, insert, index, name).then(() => done.push(name)),
  );
  const counted = database.first("INSERT INTO schema_migrations VALUES (9, 'd') RETURNING a");

  let turns = 0;
  while (turns < 50) {
    await new Promise(setImmediate);
    turns += 1;
  }
  expect(await database.first<{ n: number }>("SELECT COUNT(*) AS n FROM schema_migrations")).toEqual({
    n: 0,
  });
  expect(done).toEqual([]);

  other.run("COMMIT");
  await Promise.all(writes);
  expect(done).toEqual(["a", "b", "c"]);
  expect(await counted).toEqual({ a: 9 });
});

test("a lock that is held for longer than the wait is a named fault, and the next write works", async () => {
  const database = await openOurs(30);
  const other = keepOpen(new Raw(path));
  other.run("BEGIN IMMEDIATE");
  const [first, second] = await Promise.allSettled([
    run(database, insert, 1, "a"),
    run(database, insert, 2, "b"),
  ]);
  for (const outcome of [first, second]) {
    if (outcome?.status !== "rejected") throw new Error("it was written");
    expect(outcome.reason).toBeInstanceOf(DatabaseFault);
    expect(outcome.reason.code).toBe("database_locked");
    expect(outcome.reason.advice).not.toBe("");
  }
  other.run("ROLLBACK");
  expect(await run(database, insert, 3, "c")).toEqual([1]);
});

test("a database that somebody holds exclusively is refused at the start", () => {
  const other = keepOpen(new Raw(join(directory.path, "held.db")));
  other.run("BEGIN EXCLUSIVE; CREATE TABLE t (a)");
  expect(faultOf(() => createSqlite({ path: join(directory.path, "held.db"), lockWaitMs: 10 })).code).toBe(
    "database_locked",
  );
});

test("a database that is full is a named fault that loses nothing, and it is written again when there is room (DBS-102)", async () => {
  const database = await openOurs();
  await database.first("PRAGMA max_page_count = 8");
  const big = "x".repeat(100_000);
  const refused = await run(database, insert, 1, big).catch((error: unknown) => error);
  expect(refused).toMatchObject({ name: "DatabaseFault", code: "database_full" });
  await database.first("PRAGMA max_page_count = 1000");
  await run(database, insert, 1, big);
  expect(await database.first<{ integrity_check: string }>("PRAGMA integrity_check")).toEqual({
    integrity_check: "ok",
  });
});

test("the -wal file is cut back after a long reader has let it grow (DBS-102)", async () => {
  const database = await openOurs();
  const reader = keepOpen(new Raw(path));
  reader.run("BEGIN");
  reader.query("SELECT * FROM schema_migrations").all();
  const megabyte = "x".repeat(1024 * 1024);
  for (let count = 0; count < 40; count++)
    await run(database, "INSERT OR REPLACE INTO schema_migrations VALUES (1, ?)", `${count}${megabyte}`);
  const grown = statSync(`${path}-wal`).size;
  reader.run("COMMIT");
  await run(database, "DELETE FROM schema_migrations WHERE a = ?", 1); // the checkpoint
  await run(database, insert, 1, "small"); // starts the file anew
  expect(grown).toBeGreaterThan(32 * 1024 * 1024);
  expect(statSync(`${path}-wal`).size).toBeLessThanOrEqual(16 * 1024 * 1024);
});

test("an empty file is taken as a new database (DBS-105)", async () => {
  path = join(directory.path, "empty.db");
  writeFileSync(path, "");
  expect(await run(await openOurs(), insert, 1, "a")).toEqual([1]);
});

test.each([
  ["a file that is no database", "hello, world ".repeat(1000), "database_invalid"],
  ["a database with a broken page", undefined, "database_corrupt"],
])("%s is refused by name and left as it is (DBS-105)", (_, content, code) => {
  path = join(directory.path, "odd.db");
  if (content === undefined) {
    const raw = new Raw(path);
    raw.run("CREATE TABLE t (a)");
    raw.close();
    const bytes = readFileSync(path);
    bytes.fill(0xff, 100, 4096);
    writeFileSync(path, bytes);
  } else writeFileSync(path, content);
  const before = readFileSync(path);
  expect(faultOf(() => createSqlite({ path })).code).toBe(code as DatabaseFault["code"]);
  expect(readFileSync(path).equals(before)).toBe(true);
});

test.each([
  ["CREATE TABLE projects (id TEXT, api_key TEXT); CREATE TABLE tokens (token TEXT)", "database_predecessor"],
  ["CREATE TABLE projects (id TEXT, openai_api_key TEXT)", "database_predecessor"],
  ["CREATE TABLE recipes (id TEXT)", "database_foreign"],
])("a database that is not ours is refused and not a byte of it is changed: %s", (sql, code) => {
  path = join(directory.path, "other.db");
  const raw = new Raw(path);
  raw.run(sql);
  raw.close();
  const before = readFileSync(path);
  const fault = faultOf(() => createSqlite({ path }));
  expect(fault.code).toBe(code as DatabaseFault["code"]);
  expect(fault.message).toContain(path);
  expect(readFileSync(path).equals(before)).toBe(true);
});

test("a place where no file can be made is a fault that says where, and opening gives it as a value", () => {
  writeFileSync(join(directory.path, "file"), "");
  const opened = openDatabase({ path: join(directory.path, "file", "llm-proxy.db") });
  if (opened.ok) throw new Error("it was opened");
  expect(opened.error.code).toBe("database_unwritable");
  expect(opened.error.message).toContain(join(directory.path, "file", "llm-proxy.db"));
  expect(opened.error.advice).toContain("DATA_DIR");
});

test("closing leaves one file with everything in it, which opens again", async () => {
  const database = await openOurs();
  await run(database, insert, 1, "a");
  await database.close();
  open.pop();
  expect(() => statSync(`${path}-wal`)).toThrow("ENOENT");
  const opened = openDatabase({ path });
  if (!opened.ok) throw opened.error;
  expect(await keepOpen(opened.value).all("SELECT a FROM schema_migrations")).toEqual([{ a: 1 }]);
});
