import { expect, test } from "bun:test";
import { createFakeClock } from "../../test/harness/fake-clock.ts";
import { caller } from "../../test/harness/store.ts";
import type { AuditEntry } from "./entry.ts";
import type { AuditSink } from "./repository.ts";
import { createAudit } from "./service.ts";

function setUp(sinks: AuditSink[]) {
  const failures: string[] = [];
  let ids = 0;
  const audit = createAudit({
    sinks,
    repository: undefined,
    clock: createFakeClock(),
    newId: () => String(++ids),
    onFailure: (sink, entries) => failures.push(`${sink} ${entries}`),
  });
  return { audit, failures };
}

function memorySink(name = "memory") {
  const batches: AuditEntry[][] = [];
  const sink: AuditSink = { name, append: (entries) => Promise.resolve(void batches.push([...entries])) };
  return { sink, batches };
}

test("what is recorded in one turn is written as one batch, in order", async () => {
  const { sink, batches } = memorySink();
  const { audit } = setUp([sink]);
  audit.record("token.list", "success", caller);
  audit.record("token.create", "failure", caller, { reason: "project_not_found", projectId: "p" });
  await audit.flush();
  expect(batches.map((batch) => batch.map(({ id, action }) => id + action))).toEqual([
    ["1token.list", "2token.create"],
  ]);
});

test("one sink that fails does not keep the entry from the other, and is counted", async () => {
  const { sink, batches } = memorySink();
  const broken: AuditSink = { name: "broken", append: () => Promise.reject(new Error("disk full")) };
  const { audit, failures } = setUp([broken, sink]);
  audit.record("token.list", "success", caller);
  await audit.flush();
  expect(batches.length).toBe(1);
  expect(failures).toEqual(["broken 1"]);
});

test("entries that come while a batch is being written are flushed with it", async () => {
  const order: string[] = [];
  let release = () => {};
  const slow: AuditSink = {
    name: "slow",
    async append(entries) {
      if (order.length === 0) await new Promise<void>((resolve) => (release = resolve));
      order.push(entries.map(({ id }) => id).join());
    },
  };
  const { audit } = setUp([slow]);
  audit.record("token.list", "success", caller);
  const flushed = audit.flush();
  await Promise.resolve();
  await Promise.resolve();
  audit.record("token.list", "success", caller);
  release();
  await flushed;
  expect(order).toEqual(["1", "2"]);
});

test("a sink that stalls is given no more than the queue holds; the rest is counted", () => {
  const stalled: AuditSink = { name: "stalled", append: () => new Promise(() => {}) };
  const { audit, failures } = setUp([stalled]);
  for (let count = 0; count < 10_001; count++) audit.record("token.list", "success", caller);
  expect(failures).toEqual(["stalled 1"]);
});

test("without sinks nothing is kept and flushing is at once", async () => {
  const { audit } = setUp([]);
  audit.record("token.list", "success", caller);
  await audit.flush();
  expect(audit.trail).toBeUndefined();
});
