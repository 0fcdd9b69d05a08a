import { Database as Connection, type Statement as Prepared, type SQLQueryBindings } from "bun:sqlite";
import { accessSync, closeSync, constants, existsSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { type Clock, systemClock } from "../clock.ts";
import {
  type Database,
  type Statement,
  type Transaction,
  UnexpectedChanges,
  type Value,
} from "./database.ts";
import { DatabaseFault } from "./database-fault.ts";
import { isBusy, nameFault } from "./sqlite-faults.ts";

interface SqliteOptions {
  /** A file, made with mode 0600 where it is missing (its directory with 0700), or `:memory:`. */
  readonly path: string;
  /** How long a statement waits for another process's lock. Default 5,000. */
  readonly lockWaitMs?: number;
  /** Each commit is on the disk before it is confirmed (synchronous FULL). Default false. */
  readonly isDurable?: boolean;
  readonly clock?: Clock;
}

const lockWaitMsDefault = 5_000;
const pollMsMax = 10;
/** Prepared statements kept; the one longest unused goes. */
const preparedMax = 200;
/** The -wal file is cut back to this after a checkpoint, when a long reader had let it grow. */
const walBytesMax = 16 * 1024 * 1024;

/**
 * An SQLite database: WAL, synchronous NORMAL unless durable (a crash of the process loses nothing; one of the machine may lose the
 * last moments, never the file). Statements run at once and block the event loop for microseconds; where another
 * process holds the write lock they wait without blocking it, in order.
 * Integers up to 2^53 are numbers, larger ones bigint: no digit is lost.
 * @throws {DatabaseFault} when the file cannot be used; it is not changed then
 */
export function createSqlite({
  path,
  lockWaitMs = lockWaitMsDefault,
  isDurable = false,
  clock = systemClock,
}: SqliteOptions): Database {
  const connection = connect(path, lockWaitMs);
  if (isDurable) connection.run("PRAGMA synchronous = FULL");
  const { prepare, finalizeAll } = createPreparer(connection);
  let queue: Promise<unknown> = Promise.resolve();
  let queued = 0;

  async function patiently<T>(work: () => T, deadlineMs: number): Promise<T> {
    for (let pollMs = 1; ; pollMs = Math.min(pollMs + 1, pollMsMax)) {
      try {
        return work();
      } catch (error) {
        if (!isBusy(error) || clock.monotonic() >= deadlineMs) throw nameFault(error, path);
        await Bun.sleep(pollMs);
      }
    }
  }

  /** One behind the other, so that one poll serves all that wait. */
  function inTurn<T>(work: () => T): Promise<T> {
    const deadlineMs = clock.monotonic() + lockWaitMs;
    queued += 1;
    const turn = queue
      .then(() => patiently(work, deadlineMs))
      .finally(() => {
        queued -= 1;
      });
    queue = turn.catch(() => undefined); // its caller is told by `turn`
    return turn;
  }

  /** Gives the changed rows. @throws {UnexpectedChanges} */
  function change({ sql, values, expectChanges }: Statement): number {
    const { changes } = values.length === 0 ? connection.run(sql) : prepare(sql).run(...values);
    if (expectChanges !== undefined && Number(changes) !== expectChanges)
      throw new UnexpectedChanges(`${changes} rows were changed instead of ${expectChanges}`);
    return Number(changes);
  }

  function run<T>(work: () => T, mayOvertake: boolean): Promise<T> {
    if (!mayOvertake && queued > 0) return inTurn(work);
    try {
      return Promise.resolve(work());
    } catch (error) {
      return isBusy(error) ? inTurn(work) : Promise.reject(nameFault(error, path));
    }
  }

  const now: Transaction = {
    all: <Row>(sql: string, values: readonly Value[]) =>
      (prepare(sql).all(...values) as Row[]).map(withNumbers),
    first: <Row>(sql: string, values: readonly Value[]) =>
      withNumbers((prepare(sql).get(...values) as Row | null) ?? undefined),
    run: (sql, values) => change({ sql, values }),
  };

  function transact<T>(work: () => T): Promise<T> {
    return run(() => {
      prepare("BEGIN IMMEDIATE").run();
      try {
        const result = work();
        prepare("COMMIT").run();
        return result;
      } catch (error) {
        if (connection.inTransaction) prepare("ROLLBACK").run();
        throw error;
      }
    }, false);
  }

  return {
    all: <Row>(sql: string, values: readonly Value[] = []) => run(() => now.all<Row>(sql, values), true),
    first: <Row>(sql: string, values: readonly Value[] = []) => run(() => now.first<Row>(sql, values), true),
    write: (statements) => transact(() => statements.map(change)),
    transact: (work) => transact(() => work(now)),
    foreignVersion() {
      try {
        return Number(prepare("PRAGMA data_version").values()[0]?.[0]);
      } catch (error) {
        throw nameFault(error, path);
      }
    },
    async close() {
      await queue;
      finalizeAll();
      connection.close();
    },
  };
}

function connect(path: string, lockWaitMs: number): Connection {
  let connection: Connection | undefined;
  try {
    if (path !== ":memory:") prepareFile(path);
    connection = new Connection(path, { create: true, readwrite: true, safeIntegers: true });
    connection.run(`PRAGMA busy_timeout = ${lockWaitMs}`); // for the switch to WAL, before anything is served
    refuseOthers(connection, path);
    connection.run("PRAGMA journal_mode = WAL");
    connection.run("PRAGMA synchronous = NORMAL");
    connection.run("PRAGMA foreign_keys = ON");
    connection.run(`PRAGMA journal_size_limit = ${walBytesMax}`);
    connection.run("PRAGMA busy_timeout = 0"); // from here on `patiently` waits
    return connection;
  } catch (error) {
    connection?.close();
    throw nameFault(error, path);
  }
}

/**
 * SQLite gives -wal and -shm the mode of the database, so the mode is set before it opens the file.
 * One that exists is not opened here: closing it would drop the locks this process holds on it.
 */
function prepareFile(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  if (existsSync(path)) accessSync(path, constants.R_OK | constants.W_OK);
  else closeSync(openSync(path, "a", 0o600));
}

/** Lets pass what is empty or has our table of migrations; the file is only read. */
function refuseOthers(connection: Connection, path: string): void {
  const columns = connection
    .query<{ table: string; column: string }, []>(
      `SELECT m.name AS "table", c.name AS "column" FROM sqlite_master m, pragma_table_info(m.name) c
       WHERE m.type = 'table'`,
    )
    .all();
  if (columns.length === 0 || columns.some(({ table }) => table === "schema_migrations")) return;
  const isPredecessor = columns.some(
    ({ table, column }) => table === "projects" && (column === "api_key" || column === "openai_api_key"),
  );
  throw isPredecessor
    ? new DatabaseFault(
        "database_predecessor",
        `The database ${path} was made by the earlier llm-proxy, and this version cannot read it; it was left as it is`,
        "Point DATABASE_PATH to a new file and create the projects again",
      )
    : new DatabaseFault(
        "database_foreign",
        `The database ${path} belongs to another program; it was left as it is`,
        "Point DATABASE_PATH to another file",
      );
}

/** Prepares each text once, and keeps those used last. */
function createPreparer(connection: Connection) {
  const kept = new Map<string, Prepared<unknown, SQLQueryBindings[]>>();
  return {
    prepare(sql: string): Prepared<unknown, SQLQueryBindings[]> {
      const known = kept.get(sql);
      if (known !== undefined) kept.delete(sql);
      const prepared = known ?? connection.prepare<unknown, SQLQueryBindings[]>(sql);
      kept.set(sql, prepared);
      if (kept.size > preparedMax) {
        const [oldest] = kept;
        if (oldest !== undefined) {
          kept.delete(oldest[0]);
          oldest[1].finalize();
        }
      }
      return prepared;
    },
    /** SQLite keeps the file open, and its -wal file beside it, as long as a statement lives. */
    finalizeAll(): void {
      for (const prepared of kept.values()) prepared.finalize();
      kept.clear();
    },
  };
}

/** In place; the driver gives every integer as bigint. */
function withNumbers<Row>(row: Row): Row {
  const record = row as Record<string, unknown>;
  for (const column in record) {
    const value = record[column];
    if (typeof value === "bigint" && value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER)
      record[column] = Number(value);
  }
  return row;
}
