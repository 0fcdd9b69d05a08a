import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { aProject, aRecord, aToken } from "../../test/harness/rows.ts";
import { openStore } from "../../test/harness/store.ts";
import type { Admission, LedgerRepository } from "../limit/ledger.ts";
import { type Bound, type Limits, noLimits } from "../limit/limits.ts";
import type { UsageRecord } from "../usage/record.ts";
import { noUsage } from "../usage/usage.ts";
import { createLedgerRepository } from "./ledger-repository.ts";
import type { Node } from "./nodes.ts";
import { createProjectRepository } from "./project-repository.ts";
import { createTokenRepository } from "./token-repository.ts";
import { createUsageRepository } from "./usage-repository.ts";

const atMs = Date.UTC(2026, 10, 25, 12);
const dayMs = 86_400_000;
const page = { limit: 1000, offset: 0 };

interface SetUp {
  readonly token?: Partial<Limits>;
  readonly project?: Partial<Limits>;
}

async function setUp({ token = {}, project = {} }: SetUp = {}) {
  const { database } = await openStore();
  const projects = createProjectRepository(database);
  const tokens = createTokenRepository(database);
  await projects.insert(aProject("p", { limits: { ...noLimits, ...project } }), undefined);
  await tokens.insert(aToken("t", { limits: { ...noLimits, ...token } }));
  const node = (id: string, changes: Partial<Node> = {}): Node => ({
    id,
    host: "here",
    pid: Number(id.slice(1)),
    isAlive: () => true,
    ...changes,
  });
  const bounds: Bound[] = [
    { scope: "token", id: "t", limits: { ...noLimits, ...token } },
    { scope: "project", id: "p", limits: { ...noLimits, ...project } },
  ];
  const counts = async () => [
    (await tokens.find("t"))?.requestCount,
    (await projects.find("p"))?.requestCount,
  ];
  const usage = createUsageRepository(database);
  const records = async () => (await usage.list({}, page)).items;
  const ledger = (self: Node = node("n1")) => createLedgerRepository(database, self);
  const admission = (requestId: string, changes: Partial<Admission> = {}): Admission => ({
    entryId: `entry of ${requestId}`,
    requestId,
    atMs,
    projectId: "p",
    tokenId: "t",
    provider: "openai",
    method: "POST",
    path: "/v1/chat/completions",
    model: "gpt-5",
    bounds,
    reserve: 0n,
    ...changes,
  });
  const open = async () =>
    (await database.all<{ request_id: string }>("SELECT request_id FROM open_requests")).map(
      (row) => row.request_id,
    );
  return { database, ledger, node, admission, counts, records, open };
}

function ended(requestId: string, costNanoUsd: bigint | null, changes: Partial<UsageRecord> = {}) {
  const record = aRecord(requestId, { atMs, usage: noUsage, costNanoUsd, ...changes });
  return { record, entryId: `entry of ${requestId}`, isRefunded: false };
}

async function admitOne(ledger: LedgerRepository, admission: Admission) {
  const [result] = await ledger.admit([admission]);
  if (result === undefined) throw new Error("no result");
  return result;
}

describe("max_requests", () => {
  test("LIM-101 admits exactly as many as the tighter of token and project allows, and counts those alone", async () => {
    const { ledger, admission, counts, open } = await setUp({
      token: { maxRequests: 5 },
      project: { maxRequests: 3 },
    });
    const results = await ledger().admit(Array.from({ length: 9 }, (_, index) => admission(`r${index}`)));
    expect(results.map(({ ok }) => ok)).toEqual([...Array(3).fill(true), ...Array(6).fill(false)]);
    expect(results[0]).toMatchObject({ value: { remainingRequests: 2 } });
    expect(results[8]).toEqual({ ok: false, error: { scope: "project", limit: "max_requests" } });
    expect(await counts()).toEqual([3, 3]);
    expect(await open()).toEqual(["r0", "r1", "r2"]);
  });

  test("a request that never reached the provider is given back to both", async () => {
    const { ledger, admission, counts, records } = await setUp({ token: { maxRequests: 1 } });
    await admitOne(ledger(), admission("a"));
    await ledger().settle([{ ...ended("a", null), isRefunded: true }]);
    expect(await counts()).toEqual([0, 0]);
    expect(await records()).toHaveLength(1);
    expect((await admitOne(ledger(), admission("b"))).ok).toBe(true);
  });
});

describe("a budget", () => {
  const dollar = 1_000_000_000n;

  test("is shared by requests under way, and tells what was needed and what is left", async () => {
    const { ledger, admission } = await setUp({ token: { budgetNanoUsd: dollar } });
    const results = await ledger().admit([
      admission("a", { reserve: 600_000_000n }),
      admission("b", { reserve: 500_000_000n }),
      admission("c", { reserve: 400_000_000n }),
    ]);
    expect(results[0]).toMatchObject({ value: { remainingNanoUsd: 400_000_000n } });
    expect(results[1]).toEqual({
      ok: false,
      error: {
        scope: "token",
        limit: "budget",
        neededNanoUsd: 500_000_000n,
        leftNanoUsd: 400_000_000n,
        retryAfterMs: 1000,
      },
    });
    expect(results[2]).toMatchObject({ value: { remainingNanoUsd: 0n } });
  });

  test("gets back what was set aside and not used", async () => {
    const { ledger, admission } = await setUp({ token: { budgetNanoUsd: dollar } });
    await admitOne(ledger(), admission("a", { reserve: dollar }));
    await ledger().settle([ended("a", 100_000_000n)]);
    expect(await admitOne(ledger(), admission("b", { reserve: 900_000_001n }))).toMatchObject({
      error: { leftNanoUsd: 900_000_000n },
    });
    expect((await admitOne(ledger(), admission("c", { reserve: 900_000_000n }))).ok).toBe(true);
  });

  test("of a project binds all its tokens, and the tighter one refuses", async () => {
    const { ledger, admission } = await setUp({
      token: { budgetNanoUsd: dollar },
      project: { budgetNanoUsd: 10n },
    });
    expect(await admitOne(ledger(), admission("a", { reserve: 11n }))).toMatchObject({
      error: { scope: "project", limit: "budget", leftNanoUsd: 10n },
    });
  });

  test("begins anew with its period, and a request is charged to the one it came in", async () => {
    const { ledger, admission } = await setUp({ token: { budgetNanoUsd: 10n, budgetPeriod: "day" } });
    const late = Date.UTC(2026, 10, 25, 23, 59, 59, 999);
    await admitOne(ledger(), admission("a", { atMs: late, reserve: 10n }));
    await ledger().settle([ended("a", 10n, { atMs: late })]);
    expect(await admitOne(ledger(), admission("b", { atMs: late, reserve: 1n }))).toMatchObject({
      error: { limit: "budget", retryAfterMs: 1 },
    });
    expect((await admitOne(ledger(), admission("c", { atMs: late + 1, reserve: 10n }))).ok).toBe(true);
  });

  test("counts what was spent in its period before there was one", async () => {
    const { ledger, admission } = await setUp();
    const yesterday = atMs - dayMs;
    for (const [id, at] of [
      ["a", yesterday],
      ["b", atMs],
    ] as const) {
      await admitOne(ledger(), admission(id, { atMs: at }));
      await ledger().settle([ended(id, 7n, { atMs: at })]);
    }
    const bound = (limits: Partial<Limits>): Bound[] => [
      { scope: "token", id: "t", limits: { ...noLimits, budgetNanoUsd: 20n, ...limits } },
    ];
    const left = async (id: string, limits: Partial<Limits>) =>
      admitOne(ledger(), admission(id, { bounds: bound(limits), reserve: 0n }));
    expect(await left("c", {})).toMatchObject({ value: { remainingNanoUsd: 6n } });
    expect(await left("d", { budgetPeriod: "day" })).toMatchObject({ value: { remainingNanoUsd: 13n } });
  });

  test("is charged what was set aside where nobody knows what was used", async () => {
    const { ledger, admission, records } = await setUp({ token: { budgetNanoUsd: 10n } });
    await admitOne(ledger(), admission("a", { reserve: 8n }));
    await ledger().settle([ended("a", null, { usage: null })]);
    expect((await records())[0]?.costNanoUsd).toBe(8n);
    expect((await admitOne(ledger(), admission("b", { reserve: 3n }))).ok).toBe(false);
  });

  test("lets pass what costs nothing, even when it is used up", async () => {
    const { ledger, admission } = await setUp({ token: { budgetNanoUsd: 1n } });
    await admitOne(ledger(), admission("a", { reserve: 1n }));
    expect((await admitOne(ledger(), admission("b", { reserve: 0n }))).ok).toBe(true);
  });

  test("is never passed and no reservation is lost, in any order of coming and going", async () => {
    const steps = fc.array(
      fc.record({ comes: fc.boolean(), which: fc.nat(9), reserve: fc.bigInt(0n, 40n), part: fc.nat(100) }),
      { maxLength: 40 },
    );
    await fc.assert(
      fc.asyncProperty(steps, async (walk) => {
        const { ledger, admission, records, open } = await setUp({ project: { budgetNanoUsd: 100n } });
        const books = ledger();
        const underWay: Admission[] = [];
        for (const [index, { comes, which, reserve, part }] of walk.entries()) {
          if (comes || underWay.length === 0) {
            const wanted = admission(`r${index}`, { reserve });
            if ((await admitOne(books, wanted)).ok) underWay.push(wanted);
            continue;
          }
          const [done] = underWay.splice(which % underWay.length, 1);
          const used = ((done?.reserve ?? 0n) * BigInt(part)) / 100n;
          await books.settle([ended(done?.requestId ?? "", used)]);
        }
        const spent = (await records()).reduce((sum, { costNanoUsd }) => sum + (costNanoUsd ?? 0n), 0n);
        expect(spent).toBeLessThanOrEqual(100n);
        expect((await open()).length).toBe(underWay.length);
      }),
      { numRuns: 40 },
    );
  });
});

test("two requests under one id are two", async () => {
  const { ledger, admission, counts, records, open } = await setUp({ token: { maxRequests: 5 } });
  const twins = [admission("a", { entryId: "1" }), admission("a", { entryId: "2" })];
  expect((await ledger().admit(twins)).map(({ ok }) => ok)).toEqual([true, true]);
  for (const entryId of ["1", "2"]) await ledger().settle([{ ...ended("a", null), entryId }]);
  expect(await open()).toEqual([]);
  expect(await counts()).toEqual([2, 2]);
  expect(await records()).toHaveLength(2);
});

describe("what a dead process left open", () => {
  test("is closed once as unknown, at the price that was set aside for it", async () => {
    const { ledger, node, admission, records, counts, open } = await setUp({ token: { budgetNanoUsd: 10n } });
    const first = ledger(node("n1"));
    await first.keepAlive(atMs);
    await admitOne(first, admission("a", { reserve: 7n }));
    await admitOne(first, admission("b", { reserve: 0n }));
    const second = ledger(node("n2", { isAlive: (pid) => pid !== 1 }));
    expect(await second.keepAlive(atMs + 5)).toBe(2);
    expect(await second.keepAlive(atMs + 6)).toBe(0);
    expect(await open()).toEqual([]);
    expect(await counts()).toEqual([2, 2]);
    const closed = (await records()).map(({ requestId, outcome, costNanoUsd, durationMs }) => ({
      requestId,
      outcome,
      costNanoUsd,
      durationMs,
    }));
    expect(closed.toSorted((a, b) => a.requestId.localeCompare(b.requestId))).toEqual([
      { requestId: "a", outcome: "unknown", costNanoUsd: 7n, durationMs: 5 },
      { requestId: "b", outcome: "unknown", costNanoUsd: null, durationMs: 5 },
    ]);
    expect(await admitOne(second, admission("c", { reserve: 4n }))).toMatchObject({
      error: { leftNanoUsd: 3n },
    });
    // Should it live after all and settle late, it is not booked twice.
    expect(await first.settle([ended("a", 3n)])).toBe(1);
    expect((await records()).length).toBe(2);
  });

  interface Both {
    readonly other?: Partial<Node>;
    readonly self?: Partial<Node>;
  }
  const gone = { isAlive: () => false };
  const cases: [name: string, nodes: Both, laterMs: number, isDead: boolean][] = [
    ["a process of this machine that lives", {}, 5, false],
    ["one of this machine that is gone", { self: gone }, 5, true],
    ["one of another machine that was seen lately", { other: { host: "there" }, self: gone }, 59_000, false],
    ["one of another machine that has been silent", { other: { host: "there" } }, 61_000, true],
    [
      "the first process of a container that was started anew",
      { other: { pid: 1 }, self: { pid: 1 } },
      5,
      true,
    ],
  ];
  test("what a process opened of which nothing is known is closed, too", async () => {
    const { ledger, node, admission, database } = await setUp();
    await admitOne(ledger(node("n1")), admission("a"));
    await database.write([{ sql: "DELETE FROM nodes", values: [] }]);
    expect(await ledger(node("n2")).keepAlive(atMs)).toBe(1);
  });

  test.each(cases)("%s", async (_, { other, self }, laterMs, isDead) => {
    const { ledger, node, admission } = await setUp();
    const first = ledger(node("n1", other));
    await first.keepAlive(atMs);
    await admitOne(first, admission("a"));
    expect(await ledger(node("n2", self)).keepAlive(atMs + laterMs)).toBe(isDead ? 1 : 0);
  });
});

test("records are summed by hour and day, each kind apart", async () => {
  const { ledger, database } = await setUp();
  const usage = { ...noUsage, inputTokens: 10, cachedInputTokens: 4, outputTokens: 5 };
  await ledger().settle(
    [
      ended("a", 30n, { usage }),
      ended("b", null, { usage: { ...usage, source: "estimated" } }),
      ended("c", 5n, { usage, atMs: atMs + 3_600_000 }),
      ended("d", null, { usage: null, outcome: "refused" }),
    ].map((settlement) => ({ ...settlement, entryId: null })),
  );
  const rows = (table: string) =>
    database.all(
      `SELECT start_at, outcome, requests, estimated_requests, unpriced_requests, input_tokens, cached_input_tokens,
         output_tokens, cost_nano_usd FROM ${table} ORDER BY start_at, outcome`,
    );
  const row = (start_at: number, outcome: string, ...sums: number[]) => ({
    start_at,
    outcome,
    requests: sums[0],
    estimated_requests: sums[1],
    unpriced_requests: sums[2],
    input_tokens: sums[3],
    cached_input_tokens: sums[4],
    output_tokens: sums[5],
    cost_nano_usd: sums[6],
  });
  const day = atMs - 12 * 3_600_000;
  expect(await rows("usage_hours")).toEqual([
    row(atMs, "complete", 2, 1, 1, 20, 8, 10, 30),
    row(atMs, "refused", 1, 0, 0, 0, 0, 0, 0),
    row(atMs + 3_600_000, "complete", 1, 0, 0, 10, 4, 5, 5),
  ]);
  expect(await rows("usage_days")).toEqual([
    row(day, "complete", 3, 1, 1, 30, 12, 15, 35),
    row(day, "refused", 1, 0, 0, 0, 0, 0, 0),
  ]);
});
