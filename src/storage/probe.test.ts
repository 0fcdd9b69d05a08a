import { expect, test } from "bun:test";
import { renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createFakeClock } from "../../test/harness/fake-clock.ts";
import { temporaryDirectory } from "../../test/harness/temporary-directory.ts";
import { DatabaseFault } from "./database-fault.ts";
import { createProbe, type StorageHealth } from "./probe.ts";
import { createSqlite } from "./sqlite.ts";

async function start(write?: () => Promise<number[]>) {
  const directory = temporaryDirectory();
  const path = join(directory.path, "probe.db");
  const database = createSqlite({ path });
  await database.write([{ sql: "CREATE TABLE something (id INTEGER)", values: [] }]);
  const clock = createFakeClock();
  const changes: StorageHealth[] = [];
  let writes = 0;
  const counted = {
    write: (statements: Parameters<typeof database.write>[0]) => {
      writes++;
      return write?.() ?? database.write(statements);
    },
  };
  const probe = createProbe({ database: counted, path, clock, onChange: (health) => changes.push(health) });
  /** What it says once the answer before is no longer fresh. */
  const ask = () => {
    clock.advance(2_000);
    return probe();
  };
  return {
    path,
    clock,
    probe,
    ask,
    changes,
    writes: () => writes,
    async [Symbol.asyncDispose]() {
      await database.close();
      directory[Symbol.dispose]();
    },
  };
}

test("a database that can be written is written to", async () => {
  await using probed = await start();
  const wal = () => statSync(`${probed.path}-wal`).size;
  const before = wal();
  const { freeBytes, ...states } = await probed.probe();
  expect(states).toEqual({ database: "ok", disk: "ok" });
  expect(freeBytes).toBeGreaterThan(1 << 20);
  expect(wal()).toBeGreaterThan(before);
  expect(probed.changes).toEqual([]);
});

test("many that ask cost one write in two seconds", async () => {
  await using probed = await start();
  await Promise.all(Array.from({ length: 50 }, () => probed.probe()));
  probed.clock.advance(1_999);
  await probed.probe();
  expect(probed.writes()).toBe(1);
  await probed.ask();
  expect(probed.writes()).toBe(2);
});

test("a file that was deleted, or another one in its place, is missed; that is told once", async () => {
  await using probed = await start();
  renameSync(probed.path, `${probed.path}.away`);
  expect((await probed.ask()).database).toBe("database_missing");
  expect((await probed.ask()).database).toBe("database_missing");
  writeFileSync(probed.path, "");
  expect((await probed.ask()).database).toBe("database_missing");
  rmSync(probed.path);
  renameSync(`${probed.path}.away`, probed.path);
  expect((await probed.ask()).database).toBe("ok");
  expect(probed.changes.map(({ database }) => database)).toEqual(["database_missing", "ok"]);
});

test("a directory that is gone is no fault of the probe", async () => {
  await using probed = await start();
  const directory = join(probed.path, "..");
  renameSync(directory, `${directory}-away`);
  expect(await probed.ask()).toEqual({ database: "database_missing", disk: "full", freeBytes: 0 });
  renameSync(`${directory}-away`, directory);
});

const coded = (code: string) => Object.assign(new Error(code), { code });
test.each([
  ["database_full", new DatabaseFault("database_full", "", "")],
  ["database_locked", new DatabaseFault("database_locked", "", "")],
  ["database_readonly", coded("EROFS")],
  ["database_readonly", coded("EACCES")],
  ["database_io", coded("EIO")],
] as const)("%s is told", async (state, fault) => {
  await using probed = await start(() => Promise.reject(fault));
  expect((await probed.probe()).database).toBe(state);
});
