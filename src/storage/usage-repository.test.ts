import { expect, test } from "bun:test";
import { book } from "../../test/harness/books.ts";
import { aProject, aRecord } from "../../test/harness/rows.ts";
import { openStore } from "../../test/harness/store.ts";
import { type UsageRecord, unmetered } from "../usage/record.ts";
import type { UsageFilter } from "../usage/repository.ts";
import type { Usage } from "../usage/usage.ts";
import { createProjectRepository } from "./project-repository.ts";
import { deleteOld } from "./retention.ts";
import { createUsageRepository } from "./usage-repository.ts";

async function repository(...records: UsageRecord[]) {
  const { database } = await openStore();
  await createProjectRepository(database).insert(aProject("p"), undefined);
  const usage = createUsageRepository(database);
  await book(database, records);
  const found = async (filter: UsageFilter) => {
    const { items, total } = await usage.list(filter, { offset: 0, limit: 2_000 });
    expect(total).toBe(items.length);
    return items.map(({ requestId }) => requestId);
  };
  return { database, usage, found };
}

test("a record comes back as it was stored, times and sizes as whole numbers", async () => {
  const record = aRecord("a", {
    atMs: 1_900_000_000_123,
    status: 502,
    outcome: "upstream_cut",
    errorCode: "upstream_cut",
    isStream: true,
    durationMs: 12.7,
    ttfbMs: null,
    requestBytes: 2 ** 40,
  });
  const { usage } = await repository(record);
  expect(await usage.find("a")).toEqual({ ...record, durationMs: 13 });
  expect(await usage.find("b")).toBeUndefined();
});

test("what was used comes back as it was stored, and so does that it is not known", async () => {
  const usage: Usage = {
    inputTokens: 1,
    cachedInputTokens: 2,
    cacheWriteTokens: 3,
    cacheWriteHourTokens: 4,
    audioInputTokens: 5,
    outputTokens: 6,
    reasoningTokens: 7,
    audioOutputTokens: 8,
    images: 9,
    audioMs: 10,
    characters: 11,
    webSearches: 12,
    tier: "batch",
    reportedCostNanoUsd: 9_007_199_254_740_993n,
    source: "estimated",
  };
  const known = aRecord("a", {
    usage,
    usageRaw: '{"a":1}',
    alsoBilled: ["b"],
    model: "m",
    answeredModel: "n",
  });
  const unknown = aRecord("b", { ...unmetered });
  const { usage: records } = await repository(known, unknown);
  expect(await records.find("a")).toEqual(known);
  expect(await records.find("b")).toEqual(unknown);
});

test("an odd number in one record does not hold up its batch", async () => {
  const { usage } = await repository(
    aRecord("a", { durationMs: Number.NaN, requestBytes: Infinity, ttfbMs: 0.4 }),
  );
  expect(await usage.find("a")).toMatchObject({ durationMs: 0, requestBytes: 0, ttfbMs: 0 });
});

test("of two records with one request id the later is found, and both are listed", async () => {
  const { usage, found } = await repository(aRecord("a", { status: 200 }), aRecord("a", { status: 201 }));
  expect((await usage.find("a"))?.status).toBe(201);
  expect(await found({ requestId: "a" })).toHaveLength(2);
});

test("records are kept together or not at all", async () => {
  const { database, found } = await repository();
  const odd = aRecord("b", { outcome: "made up" as UsageRecord["outcome"] });
  await expect(book(database, [aRecord("a"), odd])).rejects.toThrow("CHECK");
  expect(await found({})).toEqual([]);
});

test("the list is newest first, filtered and cut into pages", async () => {
  const { usage, found } = await repository(
    aRecord("a", { atMs: 10 }),
    aRecord("b", { atMs: 30, projectId: "q", tokenId: "u", provider: "groq" }),
    aRecord("c", { atMs: 20, status: 500, outcome: "refused" }),
    aRecord("d", { atMs: 20 }),
  );
  expect(await found({})).toEqual(["b", "d", "c", "a"]);
  expect(await found({ projectId: "p" })).toEqual(["d", "c", "a"]);
  expect(await found({ tokenId: "u" })).toEqual(["b"]);
  expect(await found({ provider: "groq" })).toEqual(["b"]);
  expect(await found({ outcome: "refused" })).toEqual(["c"]);
  expect(await found({ status: 500 })).toEqual(["c"]);
  expect(await found({ startMs: 20, endMs: 20 })).toEqual(["d", "c"]);
  const page = await usage.list({}, { offset: 1, limit: 2 });
  expect([page.total, ...page.items.map(({ requestId }) => requestId)]).toEqual([4, "d", "c"]);
});

test("records that are too old are deleted in steps, and none that is not", async () => {
  const records = Array.from({ length: 1_203 }, (_, index) => aRecord(`${index}`, { atMs: index }));
  const { usage, found } = await repository(...records);
  expect(await usage.deleteBefore(1_200, 100)).toBe(100);
  const aborted = AbortSignal.abort();
  expect(await deleteOld(usage, 1_200, aborted)).toBe(100);
  expect(await deleteOld(usage, 1_200, new AbortController().signal)).toBe(1_000);
  expect(await found({})).toEqual(["1202", "1201", "1200"]);
});
