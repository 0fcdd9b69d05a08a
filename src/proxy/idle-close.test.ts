import { expect, test } from "bun:test";
import { createFakeClock } from "../../test/harness/fake-clock.ts";
import { createIdleClose } from "./idle-close.ts";

test.each([
  ["timeout=5, max=100", [0, 3_999, 6_001, 60_000], [4_001, 5_000, 5_999]],
  ["max=3,Timeout = 2", [0, 999, 3_001], [1_001, 2_999]],
  ["timeout=1", [0, 499, 1_501], [501, 1_499]],
  ["max=100", [0, 5_000], []],
])("%s: connections may be closed around that time (NET-101)", (value, open, due) => {
  const place = {};
  for (const [times, isDue] of [
    [open, false],
    [due, true],
  ] as const) {
    for (const ms of times) {
      const clock = createFakeClock();
      const idle = createIdleClose(clock);
      idle.ended(place, new Headers({ "keep-alive": value }));
      clock.advance(ms);
      expect([value, ms, idle.isDue(place)]).toEqual([value, ms, isDue]);
    }
  }
});

test("the last answer counts, and one that says nothing takes it back", () => {
  const clock = createFakeClock();
  const idle = createIdleClose(clock);
  const place = {};
  expect(idle.isDue(place)).toBe(false);
  idle.ended(place, new Headers({ "keep-alive": "timeout=5" }));
  clock.advance(5_000);
  expect([idle.isDue(place), idle.isDue({})]).toEqual([true, false]);
  idle.ended(place, new Headers());
  clock.advance(5_000);
  expect(idle.isDue(place)).toBe(false);
});
