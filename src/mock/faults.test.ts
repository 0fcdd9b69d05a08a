import { describe, expect, test } from "bun:test";
import { faultOfModel, parseFault } from "./faults.ts";

describe("a fault is read from text", () => {
  const good: readonly (readonly [string, object])[] = [
    ["", {}],
    ["status=429;retry-after=2", { status: 429, retryAfterS: 2 }],
    ["delay=500ms", { delayMs: 500 }],
    ["delay=2s; pace=0ms ;", { delayMs: 2000, paceMs: 0 }],
    ["cut-after=3;stall-after=0", { cutAfter: 3, stallAfter: 0 }],
  ];
  test.each(good)("%p", (text, fault) => expect(parseFault(text)).toEqual({ ok: true, value: fault }));

  const bad = ["status=200", "status=700", "status=4x9", "delay=5", "delay=1h", "cut-after=-1", "cut-after="];
  test.each(bad)("%p is refused with the value", (text) => {
    const fault = parseFault(text);
    expect(fault).toMatchObject({ ok: false, error: expect.stringContaining("cannot be") });
  });

  test("an unknown word is refused with the known ones, also when it is a word of JavaScript", () => {
    for (const word of ["colour=red", "constructor=1"]) {
      expect(parseFault(word)).toMatchObject({
        ok: false,
        error: expect.stringContaining("known are status"),
      });
    }
  });
});

describe("a fault is read from a model's name", () => {
  const names: readonly (readonly [unknown, object])[] = [
    ["mock-429", { status: 429 }],
    ["mock-503", { status: 503 }],
    ["mock-slow", { delayMs: 3000 }],
    ["mock-cut", { cutAfter: 3 }],
    ["mock-stall", { stallAfter: 3 }],
    ["mock-200", {}],
    ["gpt-4.1-mini", {}],
    ["constructor", {}],
    [undefined, {}],
  ];
  test.each(names)("%p", (model, fault) => expect(faultOfModel(model)).toEqual(fault));
});
