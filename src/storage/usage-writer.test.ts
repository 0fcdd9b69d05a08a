import { expect, test } from "bun:test";
import { aRecord } from "../../test/harness/rows.ts";
import type { UsageBatch } from "../usage/repository.ts";
import { createUsageWriter } from "./usage-writer.ts";

/** A writer over a repository that can be out of order, and a timer that goes off when it is told to. */
function setUp(waitingMax = 1_000) {
  const batches: UsageBatch[] = [];
  const told = { failures: 0, dropped: 0 };
  const timers: { work: () => void; delayMs: number }[] = [];
  const state = { isBroken: false, hold: undefined as Promise<void> | undefined };
  const writer = createUsageWriter({
    repository: {
      async append(batch) {
        await state.hold;
        if (state.isBroken) throw new Error("the database is away");
        batches.push(batch);
      },
    },
    waitingMax,
    onFlushFailed: () => {
      told.failures += 1;
    },
    onDropped: (records) => {
      told.dropped += records;
    },
    schedule: (work, delayMs) => {
      const timer = { work, delayMs };
      timers.push(timer);
      return () => {
        const index = timers.indexOf(timer);
        if (index >= 0) timers.splice(index, 1);
      };
    },
  });
  const append = (count: number, countsToken = true) => {
    for (let index = 0; index < count; index++) writer.append(aRecord("r", { atMs: index }), countsToken);
  };
  const written = () => batches.reduce((sum, { records }) => sum + records.length, 0);
  const counted = () => batches.reduce((sum, { counts }) => sum + (counts.get("t")?.requests ?? 0), 0);
  return { writer, append, batches, told, timers, state, written, counted };
}

test("a record waits for others, a quarter of a second at the most", async () => {
  const { writer, append, batches, timers } = setUp();
  append(2);
  expect(timers.map(({ delayMs }) => delayMs)).toEqual([250]);
  expect(batches).toEqual([]);
  timers[0]?.work();
  await writer.flush();
  expect(batches.map(({ records }) => records.length)).toEqual([2]);
  expect(timers).toEqual([]);
});

test("the hundredth record is not kept waiting", async () => {
  const { append, batches } = setUp();
  append(100);
  expect(batches).toEqual([]); // not within the request
  await new Promise(setImmediate);
  expect(batches.map(({ records }) => records.length)).toEqual([100]);
});

test("records are written in order, in transactions of a bounded size", async () => {
  const { writer, append, batches, written } = setUp(2_000);
  append(1_300);
  await writer.flush();
  expect(written()).toBe(1_300);
  for (const { records } of batches) expect(records.length).toBeLessThanOrEqual(500);
  expect(batches.flatMap(({ records }) => records.map(({ atMs }) => atMs))).toEqual(
    Array.from({ length: 1_300 }, (_, index) => index),
  );
});

test("a token is counted once per request, where nothing else counts it, with its last use", async () => {
  const { writer, append, batches } = setUp();
  append(3);
  append(2, false);
  await writer.flush();
  expect(batches[0]?.counts).toEqual(new Map([["t", { requests: 3, lastUsedAtMs: 2 }]]));
  expect(batches[0]?.records).toHaveLength(5);
});

test("flush waits for what is being written and for what came after", async () => {
  const { writer, append, written, state } = setUp();
  const first = Promise.withResolvers<void>();
  state.hold = first.promise;
  append(1);
  const one = writer.flush();
  append(1);
  const two = writer.flush();
  first.resolve();
  await Promise.all([one, two]);
  expect(written()).toBe(2);
});

test("what could not be written is kept, told, and tried again at growing intervals", async () => {
  const { writer, append, batches, timers, told, state, written, counted } = setUp();
  state.isBroken = true;
  append(1);
  const delays: number[] = [];
  for (let attempt = 0; attempt < 7; attempt++) {
    const [timer] = timers;
    delays.push(timer?.delayMs ?? 0);
    timer?.work();
    await writer.flush();
    append(100); // does not hurry it
  }
  expect(delays).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 10_000]);
  expect(told.failures).toBe(7);
  expect(batches).toEqual([]);
  state.isBroken = false;
  await writer.flush();
  expect([written(), counted(), told.dropped]).toEqual([701, 701, 0]);
});

test("past the bound records are dropped and counted, and yet no use of a token is forgotten (contract 3.5)", async () => {
  const { writer, append, told, state, written, counted } = setUp(150);
  state.isBroken = true;
  append(400);
  await writer.flush();
  append(10);
  expect(told.dropped).toBe(260);
  state.isBroken = false;
  await writer.flush();
  expect([written(), counted()]).toEqual([150, 410]);
});

test("stopping writes the rest, and counts what cannot be written as dropped", async () => {
  const good = setUp();
  good.append(7);
  await good.writer.stop();
  expect([good.written(), good.told.dropped, good.timers.length]).toEqual([7, 0, 0]);

  const bad = setUp();
  bad.state.isBroken = true;
  bad.append(7);
  await bad.writer.stop();
  expect([bad.written(), bad.told.dropped, bad.timers.length]).toEqual([0, 7, 0]);
});

test("without a schedule of its own the writer uses the timer of the runtime", async () => {
  const written = Promise.withResolvers<UsageBatch>();
  const writer = createUsageWriter({
    repository: { append: async (batch) => written.resolve(await batch) },
    waitingMax: 10,
    onFlushFailed: () => undefined,
    onDropped: () => undefined,
  });
  writer.append(aRecord("r"), false);
  expect((await written.promise).records).toHaveLength(1);
});
