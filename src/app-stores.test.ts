import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { aRecord } from "../test/harness/rows.ts";
import { caller } from "../test/harness/store.ts";
import { temporaryDirectory } from "../test/harness/temporary-directory.ts";
import { openLog } from "./app.ts";
import { openStores } from "./app-stores.ts";
import { systemClock } from "./clock.ts";
import { loadConfig } from "./config/load.ts";
import { createMetrics } from "./metrics/metrics.ts";
import type { Result } from "./result.ts";

function taken<T>(result: Result<T, unknown>): T {
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}

test("where the usage records cannot be written at the end, the audit trail is and the database is closed", async () => {
  using home = temporaryDirectory();
  const environment = { MANAGEMENT_TOKEN: "a-management-token-of-this-test" };
  const loaded = taken(loadConfig({ flags: {}, cwd: home.path, environment }));
  const metrics = {
    ...createMetrics({ version: "test", clock: systemClock, logLinesDropped: () => 0 }),
    usageFlushFailed() {
      throw new Error("a fault of ours");
    },
  };
  const stores = taken(await openStores({ ...loaded, logger: taken(openLog(loaded.config, true)), metrics }));
  stores.ledger.settle({
    record: aRecord("r", { path: {} as never }),
    entryId: null,
    isRefunded: false,
  });
  stores.audit.record("token.list", "success", caller);
  expect(existsSync(`${loaded.config.databasePath}-wal`)).toBe(true);

  await expect(stores.close()).rejects.toThrow("a fault of ours");

  expect(readFileSync(join(home.path, "data/audit.log"), "utf8")).toContain("token.list");
  expect(existsSync(`${loaded.config.databasePath}-wal`)).toBe(false);
});
