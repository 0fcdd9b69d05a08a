import { fail, ok, type Result } from "../result.ts";
import type { Database } from "./database.ts";
import { DatabaseFault } from "./database-fault.ts";
import { createSqlite } from "./sqlite.ts";

interface DatabaseSettings {
  /** File of the SQLite database. */
  readonly path: string;
}

/** Opens the database that the settings name; does not migrate it. */
export function openDatabase({ path }: DatabaseSettings): Result<Database, DatabaseFault> {
  try {
    return ok(createSqlite({ path }));
  } catch (error) {
    if (error instanceof DatabaseFault) return fail(error);
    throw error;
  }
}
