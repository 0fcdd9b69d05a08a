import sqlite0001 from "./sqlite/0001_projects.sql" with { type: "text" };
import sqlite0002 from "./sqlite/0002_tokens.sql" with { type: "text" };
import sqlite0003 from "./sqlite/0003_audit_events.sql" with { type: "text" };
import sqlite0004 from "./sqlite/0004_usage_records.sql" with { type: "text" };
import sqlite0005 from "./sqlite/0005_limits.sql" with { type: "text" };
import sqlite0006 from "./sqlite/0006_usage.sql" with { type: "text" };
import sqlite0007 from "./sqlite/0007_ledger.sql" with { type: "text" };

/** One step of the schema. Once released it is never edited: its checksum is kept in every database. */
export interface Migration {
  /** 1, 2, 3 … without a gap. */
  readonly number: number;
  readonly name: string;
  /** One or more statements; run in one transaction, with foreign keys on. */
  readonly sql: string;
}

/** The migrations of SQLite, in order. */
export const sqliteMigrations: readonly Migration[] = [
  { number: 1, name: "projects", sql: sqlite0001 },
  { number: 2, name: "tokens", sql: sqlite0002 },
  { number: 3, name: "audit_events", sql: sqlite0003 },
  { number: 4, name: "usage_records", sql: sqlite0004 },
  { number: 5, name: "limits", sql: sqlite0005 },
  { number: 6, name: "usage", sql: sqlite0006 },
  { number: 7, name: "ledger", sql: sqlite0007 },
];
