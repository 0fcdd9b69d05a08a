import { sqliteMigrations } from "../../migrations/index.ts";
import type { AuditEntry, Caller } from "../../src/audit/entry.ts";
import { type Audit, createAudit } from "../../src/audit/service.ts";
import type { Database } from "../../src/storage/database.ts";
import { migrate } from "../../src/storage/migrate.ts";
import { createSqlite } from "../../src/storage/sqlite.ts";
import { createFakeClock, type FakeClock } from "./fake-clock.ts";

/** A migrated database in memory, a clock, and an audit trail that can be looked at: what services stand on. */
export interface Store {
  readonly database: Database;
  readonly clock: FakeClock;
  readonly audit: Audit;
  /** `action outcome reason`, in order. */
  audited(): Promise<string[]>;
  readonly entries: readonly AuditEntry[];
  newId(): string;
}

export const caller: Caller = {
  actor: "management_api",
  requestId: "r",
  correlationId: "c",
  clientIp: "127.0.0.1",
  method: "POST",
  path: "/manage",
  userAgent: "test",
};

/** The real thing but for the file and the clock. */
export async function openStore(): Promise<Store> {
  const database = createSqlite({ path: ":memory:" });
  const clock = createFakeClock();
  await migrate(database, sqliteMigrations, clock);
  const entries: AuditEntry[] = [];
  const audit = createAudit({
    sinks: [{ name: "memory", append: async (batch) => void entries.push(...(await batch)) }],
    repository: undefined,
    clock,
    newId: () => crypto.randomUUID(),
    onFailure: (_, __, error) => {
      throw error;
    },
  });
  return {
    database,
    clock,
    audit,
    entries,
    newId: () => crypto.randomUUID(),
    async audited() {
      await audit.flush();
      return entries.map(({ action, outcome, reason }) => `${action} ${outcome} ${reason}`.trim());
    },
  };
}
