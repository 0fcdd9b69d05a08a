import { expect, test } from "bun:test";
import { createValve } from "./valve.ts";

const mebi = 1024 * 1024;

/** A source, and what waits at the other side. */
function bench(stalledMsMax = 60_000) {
  const { promise: stalled, resolve: onStalled } = Promise.withResolvers<void>();
  const resumed = Promise.withResolvers<void>();
  const state = { waiting: 0, calls: [] as string[], stalled, resumed: resumed.promise };
  const source = {
    pause: () => void state.calls.push("pause"),
    resume() {
      state.calls.push("resume");
      resumed.resolve();
    },
  };
  const valve = createValve({ source, waiting: () => state.waiting, stalledMsMax, onStalled });
  return { state, valve };
}

test("up to 1 MiB may wait; above it the source pauses until half of that is left", async () => {
  const { state, valve } = bench();
  state.waiting = mebi;
  valve.check();
  expect(state.calls).toEqual([]);
  state.waiting = mebi + 1;
  valve.check();
  valve.check();
  expect(state.calls).toEqual(["pause"]);
  state.waiting = mebi / 2;
  await state.resumed;
  expect(state.calls).toEqual(["pause", "resume"]);
});

test("a side that takes nothing at all is told as stalled, one that takes a little is not", async () => {
  const slow = bench(100);
  slow.state.waiting = 2 * mebi;
  slow.valve.check();
  const draining = setInterval(() => {
    slow.state.waiting -= 40_000;
  }, 10);
  const dead = bench(100);
  dead.state.waiting = 2 * mebi;
  dead.valve.check();
  await dead.state.stalled;
  expect(dead.state.calls).toEqual(["pause", "resume"]);
  expect(await Promise.race([slow.state.stalled.then(() => "stalled"), slow.state.resumed])).toBeUndefined();
  clearInterval(draining);
});

test("released, it lets the source go on and watches no more", () => {
  const { state, valve } = bench();
  state.waiting = 2 * mebi;
  valve.check();
  valve.release();
  valve.release();
  expect(state.calls).toEqual(["pause", "resume"]);
});
