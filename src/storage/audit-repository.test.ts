import { expect, test } from "bun:test";
import { anEntry } from "../../test/harness/rows.ts";
import { openStore } from "../../test/harness/store.ts";
import type { AuditEntry } from "../audit/entry.ts";
import type { AuditFilter } from "../audit/repository.ts";
import { createAuditRepository } from "./audit-repository.ts";

const full: AuditEntry = anEntry("full", {
  atMs: 50,
  action: "token.validate",
  outcome: "denied",
  actor: "anonymous",
  projectId: "project",
  tokenId: "token",
  requestId: "request",
  correlationId: "correlation",
  clientIp: "10.0.0.1",
  method: "PATCH",
  path: "/v1/100%_done",
  userAgent: "agent\u001b[2J\n",
  reason: "token_expired",
  details: { text: "Straße 🦊", count: 3, flag: true, list: ["a", "b"] },
});

async function repository(...entries: AuditEntry[]) {
  const { database } = await openStore();
  const audit = createAuditRepository(database);
  await audit.append(entries);
  const found = async (filter: AuditFilter) => {
    const { items, total } = await audit.list(filter, { offset: 0, limit: 100 });
    expect(total).toBe(items.length);
    return items.map(({ id }) => id);
  };
  return { audit, found };
}

test("an entry comes back as it was stored, whatever its texts hold", async () => {
  const { audit } = await repository(full, anEntry("bare"));
  expect(await audit.find("full")).toEqual(full);
  expect(await audit.find("bare")).toEqual(anEntry("bare"));
  expect(await audit.find("gone")).toBeUndefined();
});

test("the newest is first in the order of writing, even where the clock went back", async () => {
  const { audit } = await repository(
    anEntry("a", { atMs: 9 }),
    anEntry("b", { atMs: 5 }),
    anEntry("c", { atMs: 5 }),
  );
  const page = await audit.list({}, { offset: 1, limit: 1 });
  expect(page.total).toBe(3);
  expect(page.items.map(({ id }) => id)).toEqual(["b"]);
});

test("a batch is kept whole or not at all", async () => {
  const { audit, found } = await repository(anEntry("a"));
  await expect(audit.append([anEntry("b"), anEntry("a")])).rejects.toThrow("UNIQUE");
  expect(await found({})).toEqual(["a"]);
});

test("entries that are too old are deleted, the oldest first, and none that is not", async () => {
  const entries = [5, 1, 3, 9].map((atMs) => anEntry(`${atMs}`, { atMs }));
  const { audit, found } = await repository(...entries);
  expect(await audit.deleteBefore(9, 2)).toBe(2);
  expect(await found({})).toEqual(["9", "5"]);
  expect(await audit.deleteBefore(9, 2)).toBe(1);
  expect(await audit.deleteBefore(9, 2)).toBe(0);
  expect(await found({})).toEqual(["9"]);
});

const exact: AuditFilter[] = [
  { action: "token.validate" },
  { clientIp: "10.0.0.1" },
  { projectId: "project" },
  { tokenId: "token" },
  { outcome: "denied" },
  { actor: "anonymous" },
  { requestId: "request" },
  { correlationId: "correlation" },
  { method: "PATCH" },
  { path: "/v1/100%_done" },
];

test.each(exact)("the filter %j finds the entry that fits exactly", async (filter) => {
  const { found } = await repository(full, anEntry("bare"));
  expect(await found(filter)).toEqual(["full"]);
  const [[field, value] = ["", ""]] = Object.entries(filter);
  expect(await found({ [field]: value.slice(0, -1) })).toEqual([]);
});

test("the times of a filter are inclusive, and filters are joined", async () => {
  const { found } = await repository(full, anEntry("bare", { atMs: 51 }));
  expect(await found({ startMs: 50, endMs: 50 })).toEqual(["full"]);
  expect(await found({ startMs: 51 })).toEqual(["bare"]);
  expect(await found({ endMs: 49 })).toEqual([]);
  expect(await found({ startMs: 51, projectId: "project" })).toEqual([]);
});

test.each([
  ["REQUEST", ["full"]],
  ["rrelat", ["full"]],
  ["0.0.1", ["full"]],
  ["validate", ["full"]],
  ["nonym", ["full"]],
  ["patch", ["full"]],
  ["v1/100", ["full"]],
  ["expired", ["full"]],
  ["fox-in-details", []],
  ["🦊", ["full"]],
  ["%", ["full"]],
  ["_done", ["full"]],
  ["1_0", []],
  ["!", []],
  ["agent", []],
])(
  "a search for %j looks in the fields of the contract, and no character is special",
  async (search, ids) => {
    const { found } = await repository(full, anEntry("bare"));
    expect(await found({ search })).toEqual(ids);
  },
);
