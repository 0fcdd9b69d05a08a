import { fail, ok, type Result } from "../result.ts";
import type { Database } from "./database.ts";
import { DatabaseFault } from "./database-fault.ts";
import { createSqlite } from "./sqlite.ts";

interface DatabaseSettings {
  /** File of the SQLite database. */
  readonly path: string;
  /** Each commit is on the disk before it is confirmed, so that it outlives a crash of the machine. Default false. */
  readonly isDurable?: boolean;
}

/** Opens the database that the settings name; does not migrate it. */
export function openDatabase(settings: DatabaseSettings): Result<Database, DatabaseFault> {
  try {
    return ok(createSqlite(settings));
  } catch (error) {
    if (error instanceof DatabaseFault) return fail(error);
    throw error;
  }
}
