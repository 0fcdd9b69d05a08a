export type Value = string | number | bigint | null;

/** One statement with its values; without values it may also be a script of several. */
export interface Statement {
  readonly sql: string;
  readonly values: readonly Value[];
  /** Where it changes another number of rows, nothing of its list is written. */
  readonly expectChanges?: number;
}

/**
 * A connection to one database, whatever its kind. Placeholders are `?`.
 * Writes go as a list that is one transaction, because a transaction held open over an `await` would take in
 * other callers' statements on a single connection (bun.md section 6).
 */
export interface Database {
  /** Rows as objects by column name. Booleans are 0 and 1, times are integer ms, in every dialect. */
  all<Row>(sql: string, values?: readonly Value[]): Promise<Row[]>;
  first<Row>(sql: string, values?: readonly Value[]): Promise<Row | undefined>;
  /**
   * Runs the statements in one transaction, or none of them; gives the changed rows of each.
   * @throws {UniqueViolation} where a unique index refuses; {UnexpectedChanges} where `expectChanges` is not met
   */
  write(statements: readonly Statement[]): Promise<number[]>;
  /**
   * Runs `work` in one transaction, or nothing of it where it throws; it may read in between what it wrote. It does
   * not wait for anything, so that no other caller's statement can get into the transaction. Where another process
   * holds the lock it is run again, so it may change nothing but the database.
   */
  transact<T>(work: (transaction: Transaction) => T): Promise<T>;
  /** A number that changes when another process has committed to the database since the last call. */
  foreignVersion(): number;
  close(): Promise<void>;
}

/** An open transaction: statements run at once. */
export interface Transaction {
  all<Row>(sql: string, values: readonly Value[]): Row[];
  first<Row>(sql: string, values: readonly Value[]): Row | undefined;
  /** Gives the number of changed rows. */
  run(sql: string, values: readonly Value[]): number;
}

/** A unique index refused a row. */
export class UniqueViolation extends Error {}

/** A statement changed another number of rows than it must: somebody else was faster. */
export class UnexpectedChanges extends Error {}
