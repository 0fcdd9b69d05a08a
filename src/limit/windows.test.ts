import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createRequestWindow, createTokenWindow, windowMs } from "./windows.ts";

describe("the requests of the last 60 seconds", () => {
  test("LIM-105 never more than the limit in any 60 seconds, and whoever waits as told is let in at once", () => {
    const steps = fc.array(fc.record({ gapMs: fc.nat(20_000), obeys: fc.boolean() }), { maxLength: 120 });
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 10 }), (walk, limit) => {
        const window = createRequestWindow();
        const passed: number[] = [];
        let nowMs = 0;
        let told = 0;
        for (const { gapMs, obeys } of walk) {
          nowMs += obeys && told > 0 ? told : gapMs;
          const wasTold = obeys && told > 0;
          told = window.waitMs(limit, nowMs);
          if (wasTold) expect(told).toBe(0);
          if (told > 0) continue;
          window.add(nowMs);
          passed.push(nowMs);
        }
        for (const from of passed)
          expect(passed.filter((at) => at >= from && at < from + windowMs).length).toBeLessThanOrEqual(limit);
      }),
    );
  });

  test("LIM-105 ten at second 59 and ten at second 61 are ten, and the rest wait for the first to be old", () => {
    const window = createRequestWindow();
    for (let count = 0; count < 10; count++) window.add(59_000);
    expect(window.waitMs(10, 60_100)).toBe(58_900);
    expect(window.waitMs(10, 118_999)).toBe(1);
    expect(window.waitMs(10, 119_000)).toBe(0);
  });

  test("one that is taken back leaves its place to another", () => {
    const window = createRequestWindow();
    window.add(1);
    window.add(2);
    window.remove(1);
    expect(window.waitMs(2, 3)).toBe(0);
    window.add(3);
    expect(window.waitMs(2, 4)).toBe(2 + windowMs - 4);
    expect(window.isEmpty(2 + windowMs)).toBe(false);
    expect(window.isEmpty(3 + windowMs)).toBe(true);
  });

  test("a limit that is lowered holds for those that have passed already", () => {
    const window = createRequestWindow();
    for (let at = 0; at < 10; at++) window.add(at * 1000);
    expect(window.waitMs(3, 10_000)).toBe(7000 + windowMs - 10_000);
    expect(window.waitMs(11, 10_000)).toBe(0);
  });
});

describe("the tokens of the last 60 seconds", () => {
  test("what was used counts for 60 seconds at least and 61 at most", () => {
    const uses = fc.array(fc.record({ gapMs: fc.nat(15_000), tokens: fc.nat(1000) }), { maxLength: 60 });
    fc.assert(
      fc.property(uses, (walk) => {
        const window = createTokenWindow();
        const all: { atMs: number; tokens: number }[] = [];
        let nowMs = 0;
        const sumSince = (atMs: number) =>
          all.filter((use) => use.atMs > atMs).reduce((sum, use) => sum + use.tokens, 0);
        for (const { gapMs, tokens } of walk) {
          nowMs += gapMs;
          window.add(tokens, nowMs);
          all.push({ atMs: nowMs, tokens });
          expect(window.used(nowMs)).toBeGreaterThanOrEqual(sumSince(nowMs - windowMs));
          expect(window.used(nowMs)).toBeLessThanOrEqual(sumSince(nowMs - windowMs - 1001));
          const waitMs = window.waitMs(500, nowMs);
          const after = all.filter((use) => use.atMs > nowMs + waitMs - windowMs);
          expect(after.reduce((sum, use) => sum + use.tokens, 0)).toBeLessThanOrEqual(500);
        }
      }),
    );
  });
});
