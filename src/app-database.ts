import { sqliteMigrations } from "../migrations/index.ts";
import { orStartFault, type StartFault, wordStartFault } from "./app-stores.ts";
import { systemClock } from "./clock.ts";
import type { LoadedSettings } from "./config/load.ts";
import type { Config } from "./config/settings.ts";
import { loadKeyring } from "./crypto/keyring.ts";
import { fail, ok, type Result } from "./result.ts";
import type { Database } from "./storage/database.ts";
import { createKeyCheckStore } from "./storage/key-check.ts";
import { type MigrationStatus, migrate, migrationStatus } from "./storage/migrate.ts";
import { openDatabase } from "./storage/open.ts";

/** The migrations of the database that the settings name; nothing else is opened. */
export function migrationsOf({ config }: LoadedSettings) {
  const status = async (): Promise<Result<MigrationStatus, StartFault>> => {
    const read = await withDatabase(config, (database) => migrationStatus(database, sqliteMigrations));
    if (!read.ok) return read;
    return read.value.ok ? read.value : fail(wordStartFault(read.value.error));
  };
  return {
    status,
    /** Applies what is pending and gives the status after it. */
    async up(): Promise<Result<MigrationStatus, StartFault>> {
      const done = await withDatabase(config, (database) => migrate(database, sqliteMigrations, systemClock));
      if (!done.ok) return done;
      return done.value.ok ? status() : fail(wordStartFault(done.value.error));
    },
  };
}

/** What a look at a database that is up to date has found. */
export interface Inspection {
  /** What SQLite finds wrong with the file; nothing where it is whole. */
  readonly damage: readonly string[];
  /** Whether the encryption key opens what is sealed; `unused`: nothing has been sealed, so any key does. */
  readonly key: Result<"fits" | "unused", StartFault>;
}

/** Looks at the database that the settings name, every page of it; writes nothing and makes no key. */
export async function inspect({ config }: LoadedSettings): Promise<Result<Inspection, StartFault>> {
  return await withDatabase(config, async (database) => {
    const rows = await database.all<{ integrity_check: string }>("PRAGMA integrity_check");
    const damage = rows.map((row) => row.integrity_check).filter((line) => line !== "ok");
    const sealed = await createKeyCheckStore(database).read();
    if (sealed === undefined) return { damage, key: ok("unused" as const) };
    const keyring = await loadKeyring({
      encryptionKey: config.encryptionKey,
      dataDir: config.dataDir,
      isRequired: config.requireEncryptionKey,
      keyChecks: { read: () => Promise.resolve(sealed), writeFirst: (first) => Promise.resolve(first) },
      isLookOnly: true,
    });
    return { damage, key: keyring.ok ? ok("fits" as const) : fail(wordStartFault(keyring.error)) };
  });
}

async function withDatabase<T>(
  { databasePath }: Config,
  work: (database: Database) => Promise<T>,
): Promise<Result<T, StartFault>> {
  const database = openDatabase({ path: databasePath });
  if (!database.ok) return fail(wordStartFault(database.error));
  try {
    return await orStartFault(async () => ok(await work(database.value)));
  } finally {
    await database.value.close();
  }
}
