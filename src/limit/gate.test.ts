import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createGate, type Place } from "./gate.ts";
import { type Bound, type Limits, noLimits } from "./limits.ts";

function bound(limits: Partial<Limits>, scope: Bound["scope"] = "token", id: string = scope): Bound {
  return { scope, id, limits: { ...noLimits, ...limits } };
}

function mustEnter(gate: ReturnType<typeof createGate>, bounds: Bound[], nowMs = 0): Place {
  const place = gate.enter(bounds, nowMs);
  if (!place.ok) throw new Error(`refused: ${place.error.limit}`);
  return place.value;
}

function finish(place: Place, tokens: number, nowMs: number): void {
  place.leave();
  place.use(tokens, nowMs);
}

describe("the gate", () => {
  test("without limits nothing is remembered and everything passes", () => {
    const place = mustEnter(createGate(), [bound({}), bound({}, "project")]);
    expect(place.reserveTokens(1e9, 0)).toBeUndefined();
    place.leave();
    place.use(1e9, 0);
  });

  test("max_concurrency counts those under way, of the token and of its project", () => {
    const gate = createGate();
    const bounds = [bound({ maxConcurrency: 2 }), bound({ maxConcurrency: 1 }, "project")];
    const first = mustEnter(gate, bounds);
    expect(gate.enter(bounds, 0)).toEqual({
      ok: false,
      error: { scope: "project", limit: "max_concurrency", retryAfterMs: 1000 },
    });
    first.leave();
    first.use(0, 0);
    mustEnter(gate, bounds);
  });

  test("LIM-103 a place is given back once, however often it is said", () => {
    const gate = createGate();
    const bounds = [bound({ maxConcurrency: 1 })];
    const first = mustEnter(gate, bounds);
    first.leave();
    first.use(0, 0);
    first.leave();
    first.use(0, 0);
    first.undo();
    mustEnter(gate, bounds);
    expect(gate.enter(bounds, 0).ok).toBe(false);
  });

  test("LIM-102 what one limit refuses costs nothing of another", () => {
    const gate = createGate();
    const bounds = [bound({ rpm: 2, maxConcurrency: 1 })];
    const first = mustEnter(gate, bounds);
    for (let count = 0; count < 5; count++) expect(gate.enter(bounds, 1).ok).toBe(false);
    first.leave();
    first.use(0, 2);
    finish(mustEnter(gate, bounds, 3), 0, 4);
    expect(gate.enter(bounds, 5)).toEqual({
      ok: false,
      error: { scope: "token", limit: "rpm", retryAfterMs: 59_995 },
    });
  });

  test("LIM-102 a request that is turned away later counts for nothing", () => {
    const gate = createGate();
    const bounds = [bound({ rpm: 1, tpm: 100 })];
    for (let count = 0; count < 3; count++) {
      const place = mustEnter(gate, bounds);
      expect(place.reserveTokens(100, 0)).toBeUndefined();
      place.undo();
    }
    mustEnter(gate, bounds);
  });

  test("LIM-106 tpm counts what was used and what is set aside, and lets in when there is room again", () => {
    const gate = createGate();
    const bounds = [bound({ tpm: 1000 })];
    const first = mustEnter(gate, bounds);
    expect(first.reserveTokens(300, 0)).toBeUndefined();
    const second = mustEnter(gate, bounds);
    expect(second.reserveTokens(800, 0)?.limit).toBe("tpm");
    second.undo();
    first.leave();
    first.use(600, 500);
    const third = mustEnter(gate, bounds, 1000);
    expect(third.reserveTokens(401, 1000)).toEqual({ scope: "token", limit: "tpm", retryAfterMs: 60_000 });
    expect(third.reserveTokens(400, 1000)).toBeUndefined();
    third.leave();
    third.use(0, 2000);
    expect(mustEnter(gate, bounds, 61_000).reserveTokens(1000, 61_000)).toBeUndefined();
  });

  test("a request that may use more than all of tpm has it for itself", () => {
    const gate = createGate();
    const bounds = [bound({ tpm: 100 })];
    const first = mustEnter(gate, bounds);
    expect(first.reserveTokens(5000, 0)).toBeUndefined();
    expect(mustEnter(gate, bounds).reserveTokens(1, 0)?.retryAfterMs).toBe(1000);
  });

  test("places under way never pass the limit and never get lost, in any order of coming and going", () => {
    const walk = fc.array(fc.record({ comes: fc.boolean(), which: fc.nat(20) }), { maxLength: 200 });
    fc.assert(
      fc.property(walk, fc.integer({ min: 1, max: 5 }), (steps, maxConcurrency) => {
        const gate = createGate();
        const bounds = [bound({ maxConcurrency })];
        const open: Place[] = [];
        for (const { comes, which } of steps) {
          if (comes) {
            const place = gate.enter(bounds, 0);
            expect(place.ok).toBe(open.length < maxConcurrency);
            if (place.ok) open.push(place.value);
          } else open.splice(which % Math.max(1, open.length), 1)[0]?.leave();
        }
      }),
    );
  });

  test("a sweep takes no state from under a request that enters", () => {
    const gate = createGate();
    for (let index = 0; index < 9_999; index++)
      finish(mustEnter(gate, [bound({ maxConcurrency: 1 }, "token", `t${index}`)], 1), 0, 1);
    const bounds = [bound({ maxConcurrency: 1 }), bound({ maxConcurrency: 9 }, "project")];
    mustEnter(gate, bounds, 2);
    expect(gate.enter(bounds, 3).ok).toBe(false);
  });

  test("RES-104 what holds nothing any more is forgotten", () => {
    const gate = createGate();
    // Each would be a state of its own; the sweep has to keep those that count and no others.
    const kept = bound({ rpm: 1 }, "token", "kept");
    finish(mustEnter(gate, [kept], 0), 0, 0);
    for (let index = 0; index < 25_000; index++)
      finish(mustEnter(gate, [bound({ maxConcurrency: 1 }, "token", `t${index}`)], 1), 0, 1);
    expect(gate.enter([kept], 2).ok).toBe(false);
    expect(gate.size()).toBeLessThanOrEqual(10_001);
  });
});
