import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { recordedIo } from "../test/harness/recorded-io.ts";
import { temporaryDirectory } from "../test/harness/temporary-directory.ts";
import { runMain } from "./main.ts";
import { migrateDown, migrateStatus, migrateUp } from "./migrate.ts";
import { CommandError } from "./output.ts";

describe("migrate", () => {
  test("brings a new database up to date, in words that scripts know", async () => {
    using directory = temporaryDirectory();
    const io = recordedIo({ cwd: directory.path });
    const flags = { databasePath: "sub/llm-proxy.db" };
    await migrateUp({ flags, json: false }, io);
    expect(io.out()).toMatch(/^Migrations applied successfully\nCurrent migration version: [1-9]\d*\n$/);
    expect(existsSync(join(directory.path, "sub/llm-proxy.db"))).toBe(true);

    const second = recordedIo({ cwd: directory.path });
    await migrateUp({ flags, json: false }, second);
    expect(second.out()).toBe(io.out());
  });

  test("tells what is pending and what is applied", async () => {
    using directory = temporaryDirectory();
    const environment = { DATABASE_PATH: join(directory.path, "llm-proxy.db") };
    const before = recordedIo({ environment });
    await migrateStatus({ flags: {}, json: false }, before);
    expect(before.out()).toMatch(/^Current migration version: 0\nPending: 1 \w+\n/);

    const up = recordedIo({ environment });
    await migrateUp({ flags: {}, json: true }, up);
    const after = recordedIo({ environment });
    await migrateStatus({ flags: {}, json: true }, after);
    const status = JSON.parse(after.out());
    expect(status).toEqual(JSON.parse(up.out()));
    expect(status.pending).toEqual([]);
    expect(status.version).toBe(status.applied.at(-1).number);
    expect(Date.parse(status.applied[0].applied_at)).toBeGreaterThan(0);
  });

  test("refuses a file that is no database, with its code, and leaves it as it is (DBS-105)", async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "notes.txt");
    writeFileSync(path, "this is no database, but a text that is long enough to be looked at\n".repeat(20));
    const io = recordedIo({ environment: { DATABASE_PATH: path } });
    await expect(migrateUp({ flags: {}, json: false }, io)).rejects.toThrow(/^database_invalid: /);
    expect(await Bun.file(path).text()).toStartWith("this is no database");
  });

  test("refuses a database of a newer version, which stays as it is (DBS-105)", async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "llm-proxy.db");
    const environment = { DATABASE_PATH: path };
    await migrateUp({ flags: {}, json: false }, recordedIo({ environment }));
    using newer = new Database(path);
    newer.run(
      "INSERT INTO schema_migrations (number, name, checksum, applied_at) VALUES (9999, 'later', 'x', 0)",
    );
    for (const command of [migrateUp, migrateStatus]) {
      const io = recordedIo({ environment });
      await expect(command({ flags: {}, json: false }, io)).rejects.toThrow(/^schema_newer: .*9999/);
      expect(io.out()).toBe("");
    }
    expect(newer.query("SELECT max(number) AS number FROM schema_migrations").get()).toEqual({
      number: 9999,
    });
  });

  test("does not go down, and says how to go back", () => {
    expect(migrateDown).toThrow(CommandError);
    expect(migrateDown).toThrow("forward only");
  });

  test("takes its flags from the command line", async () => {
    using directory = temporaryDirectory();
    for (const word of ["up", "status", "version"]) {
      const io = recordedIo();
      expect(await runMain(["migrate", word, "--json", `--db=${directory.path}/a.db`], io)).toBe(0);
      expect(JSON.parse(io.out()).pending).toEqual([]);
    }
    const down = recordedIo();
    expect(await runMain(["migrate", "down"], down)).toBe(1);
    expect(down.err()).toContain("restore the backup");
  });
});
