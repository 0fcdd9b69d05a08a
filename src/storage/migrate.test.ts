import { afterEach, beforeEach, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Migration, sqliteMigrations } from "../../migrations/index.ts";
import { createFakeClock } from "../../test/harness/fake-clock.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../../test/harness/temporary-directory.ts";
import type { Database } from "./database.ts";
import { migrate, migrationStatus } from "./migrate.ts";
import { createSqlite } from "./sqlite.ts";

const clock = createFakeClock(1_000);
const first: Migration = { number: 1, name: "first", sql: "CREATE TABLE a (x); CREATE TABLE b (x);" };
const second: Migration = { number: 2, name: "second", sql: "INSERT INTO a VALUES (1); ALTER TABLE a ADD y" };

let directory: TemporaryDirectory;
let path: string;
let database: Database;

beforeEach(() => {
  directory = temporaryDirectory();
  path = join(directory.path, "llm-proxy.db");
  database = createSqlite({ path });
});
afterEach(async () => {
  await database.close();
  directory[Symbol.dispose]();
});

async function tables(): Promise<string[]> {
  const rows = await database.all<{ name: string }>(
    "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name",
  );
  return rows.map(({ name }) => name);
}

test("the shipped migrations are numbered from 1 without a gap and apply to an empty database", async () => {
  expect(sqliteMigrations.map(({ number }) => number)).toEqual(sqliteMigrations.map((_, index) => index + 1));
  expect(await migrate(database, sqliteMigrations, clock)).toEqual({ ok: true, value: sqliteMigrations });
  expect(await tables()).toEqual([
    "audit_events",
    "budgets",
    "meta",
    "nodes",
    "open_requests",
    "projects",
    "provider_keys",
    "schema_migrations",
    "tokens",
    "usage_days",
    "usage_hours",
    "usage_records",
  ]);
});

test("what is applied stays applied: only what is new runs, and the status tells both", async () => {
  await migrate(database, [first], clock);
  expect(await migrationStatus(database, [first, second])).toEqual({
    ok: true,
    value: { applied: [{ number: 1, name: "first", appliedAtMs: 1_000 }], pending: [second] },
  });
  expect(await migrate(database, [first, second], clock)).toEqual({ ok: true, value: [second] });
  expect(await migrate(database, [first, second], clock)).toEqual({ ok: true, value: [] });
  expect(await database.all("SELECT x, y FROM a")).toEqual([{ x: 1, y: null }]);
});

test("asking for the status writes nothing", async () => {
  expect(await migrationStatus(database, [first])).toEqual({
    ok: true,
    value: { applied: [], pending: [first] },
  });
  expect(await tables()).toEqual([]);
});

test.each([
  ["of a newer version", [first], "schema_newer", "second"],
  [
    "whose migration was edited since",
    [{ ...first, sql: "CREATE TABLE c (x)" }, second, { ...second, number: 3 }],
    "migration_edited",
    "first",
  ],
])("a database %s is refused and left as it is (DBS-105)", async (_, known, code, named) => {
  await migrate(database, [first, second], clock);
  await database.close();
  const before = readFileSync(path);
  database = createSqlite({ path });
  const result = await migrate(database, known, clock);
  if (result.ok) throw new Error("it was accepted");
  expect(result.error.code).toBe(code as typeof result.error.code);
  expect(result.error.message).toContain(named);
  expect(result.error.advice).not.toBe("");
  await database.close();
  expect(readFileSync(path).equals(before)).toBe(true);
  database = createSqlite({ path });
});

test("a migration that fails half-way leaves nothing of itself, and those before it stay", async () => {
  const broken = { ...second, sql: "CREATE TABLE c (x); INSERT INTO nowhere VALUES (1)" };
  await expect(migrate(database, [first, broken], clock)).rejects.toThrow("nowhere");
  expect(await tables()).toEqual(["a", "b", "schema_migrations"]);
  expect(await migrate(database, [first, second], clock)).toEqual({ ok: true, value: [second] });
});
