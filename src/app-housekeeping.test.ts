import { expect, test } from "bun:test";
import { startApp } from "../test/harness/app-in-process.ts";
import { book } from "../test/harness/books.ts";
import { createFakeClock } from "../test/harness/fake-clock.ts";
import { anEntry, aProject, aRecord, aToken } from "../test/harness/rows.ts";
import { openStore } from "../test/harness/store.ts";
import { temporaryDirectory } from "../test/harness/temporary-directory.ts";
import { startHousekeeping } from "./app-housekeeping.ts";
import type { Logger } from "./logging/logger.ts";
import { createAuditRepository } from "./storage/audit-repository.ts";
import { createProjectRepository } from "./storage/project-repository.ts";
import { createSqlite } from "./storage/sqlite.ts";
import { createTokenRepository } from "./storage/token-repository.ts";
import { createUsageRepository } from "./storage/usage-repository.ts";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const clock = createFakeClock();

/** Housekeeping over a real database, whose log is told as `message count`. */
async function open() {
  const { database } = await openStore();
  const stores = {
    tokenRows: createTokenRepository(database),
    usageRows: createUsageRepository(database),
    auditRows: createAuditRepository(database),
  };
  const lines: string[] = [];
  const tell: Logger["info"] = (message, fields = {}) => {
    lines.push(`${message} ${fields["records"] ?? fields["tokens"] ?? fields["error"]}`);
  };
  const logger: Logger = {
    debug: tell,
    info: tell,
    warn: tell,
    error: tell,
    child: () => logger,
    flush: async () => {},
    dropped: () => 0,
  };
  const start = (config: Partial<Parameters<typeof startHousekeeping>[0]["config"]>) =>
    startHousekeeping({
      config: { tokenCleanupIntervalMs: 0, usageRetentionMs: 0, auditRetentionMs: 0, ...config },
      stores,
      logger,
      clock,
    });
  const record = (id: string, ageMs: number) => book(database, [aRecord(id, { atMs: clock.now() - ageMs })]);
  const ids = async (): Promise<string[]> =>
    (await stores.usageRows.list({}, { offset: 0, limit: 100 })).items.map(({ requestId }) => requestId);
  return { database, stores, lines, start, record, ids };
}

test("usage records past their retention are deleted at the start, and no others; the log tells how many", async () => {
  const { start, record, ids, lines } = await open();
  for (const [index, ageMs] of [dayMs + 1, 9 * dayMs, dayMs, 0].entries()) await record(`${index}`, ageMs);
  await start({ usageRetentionMs: dayMs })();
  expect(await ids()).toEqual(["3", "2"]);
  expect(lines).toEqual(["usage records past their retention were deleted 2"]);
});

test("0 keeps everything for ever, and looks for no expired tokens", async () => {
  const { database, stores, start, record, ids, lines } = await open();
  await record("ancient", 10_000 * dayMs);
  await stores.auditRows.append([anEntry("ancient", { atMs: 0 })]);
  await createProjectRepository(database).insert(aProject("p"), undefined);
  await stores.tokenRows.insert(aToken("expired"));
  await start({})();
  expect(await ids()).toEqual(["ancient"]);
  expect(await stores.auditRows.find("ancient")).toBeDefined();
  expect(await stores.tokenRows.find("expired")).toMatchObject({ isActive: true });
  expect(lines).toEqual([]);
});

test("the audit trail in the database has a retention of its own", async () => {
  const { stores, start, record, ids, lines } = await open();
  await record("old", 2 * dayMs);
  await stores.auditRows.append([
    anEntry("old", { atMs: clock.now() - dayMs - 1 }),
    anEntry("young", { atMs: clock.now() - dayMs }),
  ]);
  const stop = start({ auditRetentionMs: dayMs });
  while (lines.length === 0) await Bun.sleep(1);
  await stop();
  expect(await stores.auditRows.find("old")).toBeUndefined();
  expect(await stores.auditRows.find("young")).toBeDefined();
  expect(await ids()).toEqual(["old"]);
  expect(lines).toEqual(["audit entries past their retention were deleted 1"]);
});

test("it is done again with each turn, for tokens as well", async () => {
  const { database, stores, start, record, ids, lines } = await open();
  const stop = start({ tokenCleanupIntervalMs: 1, usageRetentionMs: dayMs });
  await createProjectRepository(database).insert(aProject("p"), undefined);
  await stores.tokenRows.insert(aToken("expired"));
  await record("old", 2 * dayMs);
  while ((await ids()).length > 0 || (await stores.tokenRows.find("expired"))?.isActive === true)
    await Bun.sleep(1);
  await stop();
  expect(lines.toSorted()).toEqual([
    "expired tokens were switched off 1",
    "usage records past their retention were deleted 1",
  ]);
});

test("a turn that fails is told, and the next is tried", async () => {
  const { database, start, record, ids, lines } = await open();
  await record("old", 2 * dayMs);
  await database.write([{ sql: "ALTER TABLE usage_records RENAME TO away", values: [] }]);
  const stop = start({ tokenCleanupIntervalMs: 1, usageRetentionMs: dayMs });
  while (lines.length === 0) await Bun.sleep(1);
  await database.write([{ sql: "ALTER TABLE away RENAME TO usage_records", values: [] }]);
  while ((await ids()).length > 0) await Bun.sleep(1);
  await stop();
  expect(lines[0]).toStartWith("cleaning up failed; it is tried again");
  expect(lines.at(-1)).toBe("usage records past their retention were deleted 1");
});

test("when it is stopped between two steps it deletes no more", async () => {
  const { database, start, ids } = await open();
  const records = Array.from({ length: 150 }, (_, index) => aRecord(`${index}`));
  await book(database, records);
  await start({ usageRetentionMs: dayMs })();
  expect(await ids()).toHaveLength(50);
});

test.each([
  ["kept for 90 days unless told otherwise", {}, ["young", "week"]],
  ["kept as long as USAGE_RETENTION says", { USAGE_RETENTION: "1h" }, ["young"]],
  ["kept for ever with USAGE_RETENTION=0", { USAGE_RETENTION: "0" }, ["young", "week", "year"]],
])("a server's usage records are %s", async (_, env, kept) => {
  using directory = temporaryDirectory();
  const start = () =>
    startApp({
      upstream: "http://127.0.0.1:9",
      dataDirectory: directory.path,
      env: { AUDIT_RETENTION: "1h", ...env },
    });
  const app = await start();
  await app.stop();
  const ages = { young: 0, week: 7 * dayMs, year: 365 * dayMs };
  const database = createSqlite({ path: app.databasePath });
  await book(
    database,
    Object.entries(ages).map(([id, ageMs]) => aRecord(id, { atMs: Date.now() - ageMs })),
  );
  // Deleted after the usage records, so it tells when these are through.
  const audit = createAuditRepository(database);
  await audit.append([anEntry("old")]);
  const again = await start();
  while ((await audit.find("old")) !== undefined) await Bun.sleep(1);
  await again.stop();
  const rows = await database.all<{ id: string }>(
    "SELECT request_id AS id FROM usage_records ORDER BY timestamp DESC",
  );
  await database.close();
  await app[Symbol.asyncDispose]();
  await again[Symbol.asyncDispose]();
  expect(rows.map(({ id }) => id)).toEqual(kept);
});
