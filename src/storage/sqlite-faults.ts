import { UniqueViolation } from "./database.ts";
import { DatabaseFault } from "./database-fault.ts";

/** Another process holds the lock: all kinds of SQLITE_BUSY. */
export function isBusy(error: unknown): boolean {
  return codeOf(error).startsWith("SQLITE_BUSY");
}

/** The driver's or the file system's error as one of ours where it can be named, else as it is. */
export function nameFault(error: unknown, path: string): unknown {
  const code = codeOf(error);
  if (code === "SQLITE_CONSTRAINT_UNIQUE" || code === "SQLITE_CONSTRAINT_PRIMARYKEY")
    return new UniqueViolation(messageOf(error));
  const known = faults.find(([shape]) => shape.test(code));
  if (known === undefined) return error;
  const [, fault, sentence, advice] = known;
  return new DatabaseFault(fault, `The database ${path} ${sentence} (${code})`, advice);
}

const faults = [
  [
    /^SQLITE_BUSY/,
    "database_locked",
    "is locked by another process",
    "End the program that holds it, such as a sqlite3 shell with an open transaction, and try again",
  ],
  [
    /^SQLITE_NOTADB/,
    "database_invalid",
    "is not an SQLite database",
    "Point DATABASE_PATH to another file, or move this one away so that a new one is made",
  ],
  [
    /^SQLITE_CORRUPT/,
    "database_corrupt",
    "is damaged",
    "Stop every process that uses it and restore the file from a backup",
  ],
  [/^SQLITE_FULL/, "database_full", "has no room left on its disk", "Free some space; nothing was lost"],
  [/^(ENOSPC|EDQUOT)$/, "database_full", "has no room left on its disk", "Free some space and start again"],
  [
    /^SQLITE_READONLY/,
    "database_readonly",
    "cannot be written",
    "Make the file and its directory writable for the user that runs llm-proxy",
  ],
  [
    /^SQLITE_CANTOPEN/,
    "database_unwritable",
    "cannot be opened",
    "Check that its directory exists and that the user that runs llm-proxy may write to it",
  ],
  [
    /^SQLITE_IOERR/,
    "database_io",
    "could not be read or written by the system",
    "Look for disk errors in the system's log, and for a full disk",
  ],
  [
    /^E(ACCES|PERM|ROFS|ISDIR|NOTDIR|NOENT|EXIST)$/,
    "database_unwritable",
    "cannot be created or written",
    "Point DATA_DIR or DATABASE_PATH to a directory that the user that runs llm-proxy may write to",
  ],
] as const;

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
