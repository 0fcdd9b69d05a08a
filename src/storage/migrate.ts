import type { Migration } from "../../migrations/index.ts";
import type { Clock } from "../clock.ts";
import { fail, ok, type Result } from "../result.ts";
import { type Database, UniqueViolation } from "./database.ts";

/** Why a database is refused; nothing was written to it. `message` says what is wrong, `advice` what to do. */
export interface MigrationFault {
  readonly code: "schema_newer" | "migration_edited";
  readonly message: string;
  readonly advice: string;
}

interface AppliedMigration {
  readonly number: number;
  readonly name: string;
  readonly appliedAtMs: number;
}

export interface MigrationStatus {
  readonly applied: readonly AppliedMigration[];
  readonly pending: readonly Migration[];
}

interface Row {
  number: number;
  name: string;
  checksum: string;
  applied_at: number;
}

const createTable = `CREATE TABLE IF NOT EXISTS schema_migrations (
  number     INTEGER PRIMARY KEY NOT NULL,
  name       TEXT NOT NULL,
  checksum   TEXT NOT NULL,
  applied_at INTEGER NOT NULL
) STRICT`;

/** What has been applied and what not; reads only. @param known all migrations of this binary, in order */
export async function migrationStatus(
  database: Database,
  known: readonly Migration[],
): Promise<Result<MigrationStatus, MigrationFault>> {
  const rows = await appliedRows(database);
  for (const row of rows) {
    const migration = known.find(({ number }) => number === row.number);
    if (migration === undefined)
      return fail({
        code: "schema_newer",
        message: `The database has migration ${row.number} (${row.name}), which this version of llm-proxy does not know`,
        advice: "Start the newer version that was used before, or restore the backup made before the upgrade",
      });
    if (checksumOf(migration) !== row.checksum)
      return fail({
        code: "migration_edited",
        message: `Migration ${row.number} (${row.name}) was applied with another text than the one in this binary`,
        advice: "Use an official build; migrations are never edited after a release",
      });
  }
  const applied = rows.map(({ number, name, applied_at }) => ({ number, name, appliedAtMs: applied_at }));
  const numbers = new Set(rows.map(({ number }) => number));
  return ok({ applied, pending: known.filter(({ number }) => !numbers.has(number)) });
}

/**
 * Applies what is pending, each migration in its own transaction; gives what this call has applied.
 * Several processes may do it at once: the row of a migration is inserted before its statements run, so the one that
 * comes second is refused by the primary key, rolled back, and looks again.
 */
export async function migrate(
  database: Database,
  known: readonly Migration[],
  clock: Clock,
): Promise<Result<readonly Migration[], MigrationFault>> {
  const done: Migration[] = [];
  for (;;) {
    const status = await migrationStatus(database, known);
    if (!status.ok) return status;
    const [next] = status.value.pending;
    if (next === undefined) return ok(done);
    if (await applyOne(database, next, clock.now())) done.push(next);
  }
}

async function applyOne(database: Database, migration: Migration, atMs: number): Promise<boolean> {
  try {
    await database.write([
      { sql: createTable, values: [] },
      {
        sql: "INSERT INTO schema_migrations (number, name, checksum, applied_at) VALUES (?, ?, ?, ?)",
        values: [migration.number, migration.name, checksumOf(migration), atMs],
      },
      { sql: migration.sql, values: [] },
    ]);
    return true;
  } catch (error) {
    if (error instanceof UniqueViolation) return false;
    throw error;
  }
}

async function appliedRows(database: Database): Promise<Row[]> {
  const table = await database.first(
    "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'schema_migrations'",
  );
  if (table === undefined) return [];
  return database.all<Row>(
    "SELECT number, name, checksum, applied_at FROM schema_migrations ORDER BY number",
  );
}

function checksumOf(migration: Migration): string {
  return new Bun.CryptoHasher("sha256").update(migration.sql).digest("hex");
}
