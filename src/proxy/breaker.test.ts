import { describe, expect, test } from "bun:test";
import { createFakeClock } from "../../test/harness/fake-clock.ts";
import { createBreaker, type Health } from "./breaker.ts";

function setUp(failuresMin = 5) {
  const clock = createFakeClock();
  const changes: string[] = [];
  const breaker = createBreaker({
    clock,
    failuresMin,
    cooldownMs: 30_000,
    onChange: (origin, isOpen) => changes.push(`${origin} ${isOpen ? "open" : "closed"}`),
  });
  /** How long the circuit is open, or undefined where the call was made. */
  const call = (health: Health, origin = "a") => {
    const leave = breaker.ask(origin);
    if (leave.ok) leave.value.tell(health);
    return leave.ok ? undefined : leave.error;
  };
  const leave = () => {
    const asked = breaker.ask("a");
    if (!asked.ok) throw new Error(`open for ${asked.error} ms`);
    return asked.value;
  };
  const calls = (...healths: Health[]) => healths.map((health) => call(health));
  return { clock, changes, breaker, call, calls, leave };
}

const bad = (count: number): Health[] => Array.from({ length: count }, () => "bad");
const good = (count: number): Health[] => Array.from({ length: count }, () => "good");

describe("a circuit", () => {
  test("opens with the fifth failure when half of the calls have failed, and says for how long", () => {
    const { calls, call, changes } = setUp();
    expect(calls(...bad(5))).toEqual([undefined, undefined, undefined, undefined, undefined]);
    expect(call("good")).toBe(30_000);
    expect(changes).toEqual(["a open"]);
  });
  test("stays closed while more calls succeed than fail", () => {
    const { calls, call } = setUp();
    calls(...good(10), ...bad(9));
    expect(call("bad")).toBeUndefined();
    expect(call("good")).toBe(30_000);
  });
  test("forgets what is more than 30 s ago", () => {
    const { calls, call, clock } = setUp();
    calls(...bad(4));
    clock.advance(30_000);
    calls(...bad(4));
    expect(call("good")).toBeUndefined();
  });
  test("counts nothing that tells nothing", () => {
    const { calls, call } = setUp();
    calls(...Array.from({ length: 50 }, (): Health => "unknown"));
    expect(call("good")).toBeUndefined();
  });
  test("is one for each host", () => {
    const { calls, call } = setUp();
    calls(...bad(5));
    expect(call("good", "b")).toBeUndefined();
  });
  test("tells how it stands", () => {
    const { calls, breaker, call, clock, leave } = setUp();
    expect(breaker.states()).toEqual([]);
    calls(...good(1), ...bad(4));
    call("good", "b");
    const b = { origin: "b", state: "closed" as const, failures: 0, retryAfterMs: 0 };
    expect(breaker.states()).toEqual([{ origin: "a", state: "closed", failures: 4, retryAfterMs: 0 }, b]);
    call("bad");
    clock.advance(10_000);
    expect(breaker.states()[0]).toEqual({ origin: "a", state: "open", failures: 5, retryAfterMs: 20_000 });
    clock.advance(20_000);
    expect(breaker.states()[0]).toEqual({ origin: "a", state: "half_open", failures: 0, retryAfterMs: 0 });
    leave().tell("good");
    expect(breaker.states()[0]?.state).toBe("closed");
  });
  test("never opens where the least number of failures is 0", () => {
    const { calls, call } = setUp(0);
    calls(...bad(100));
    expect(call("good")).toBeUndefined();
  });
});

describe("after the cool-down", () => {
  test("one request may try, the others wait; its success closes the circuit", () => {
    const { calls, call, clock, breaker, changes, leave } = setUp();
    calls(...bad(5));
    clock.advance(30_000);
    const trial = leave();
    expect(breaker.ask("a")).toMatchObject({ error: 1000 });
    trial.tell("good");
    expect(call("bad")).toBeUndefined();
    expect(call("good")).toBeUndefined();
    expect(changes).toEqual(["a open", "a closed"]);
  });
  test("its failure opens it for as long again", () => {
    const { calls, call, clock, changes } = setUp();
    calls(...bad(5));
    clock.advance(30_000);
    expect(call("bad")).toBeUndefined();
    expect(call("good")).toBe(30_000);
    expect(changes).toEqual(["a open"]);
  });
  test("a try that hangs is followed by another after as long again", () => {
    const { calls, call, clock, breaker, leave } = setUp();
    calls(...bad(5));
    clock.advance(30_000);
    leave();
    clock.advance(29_999);
    expect(breaker.ask("a")).toMatchObject({ error: 1000 });
    clock.advance(1);
    expect(call("good")).toBeUndefined();
    expect(call("good")).toBeUndefined();
  });
  test("a try that tells nothing leaves room for another", () => {
    const { calls, call, clock } = setUp();
    calls(...bad(5));
    clock.advance(30_000);
    expect(call("unknown")).toBeUndefined();
    expect(call("good")).toBeUndefined();
    expect(call("good")).toBeUndefined();
  });
  test("what was sent before the circuit opened neither closes it nor ends the trial", () => {
    const { calls, call, clock, breaker, leave } = setUp();
    const slow = leave();
    calls(...bad(5));
    slow.tell("good");
    expect(call("good")).toBe(30_000);
    clock.advance(30_000);
    const trial = leave();
    slow.tell("bad");
    expect(breaker.ask("a")).toMatchObject({ error: 1000 });
    trial.tell("good");
    expect(call("good")).toBeUndefined();
  });
});
