import { describe, expect, test } from "bun:test";
import { judgeAnswer, judgeNoConnection, retryAfterMs, type Standing, type Verdict } from "./retry.ts";
import { createRetryBudget } from "./retry-budget.ts";

const nowMs = Date.UTC(2030, 0, 1);
const standing: Standing = {
  attempts: 1,
  canRepeat: true,
  hasOtherKey: false,
  policy: { max: 2, onStatus: [429, 503], delayMsMax: 5_000 },
  random: 1,
  nowMs,
};

describe("how long a provider asks to wait", () => {
  const table: [headers: Record<string, string>, ms: number | undefined][] = [
    [{}, undefined],
    [{ "retry-after": "3" }, 3_000],
    [{ "retry-after": "0.5" }, 500],
    [{ "retry-after-ms": "250", "retry-after": "3" }, 250],
    [{ "retry-after": "Tue, 01 Jan 2030 00:00:07 GMT" }, 7_000],
    [{ "retry-after": "Mon, 31 Dec 2029 00:00:00 GMT" }, 0],
    [{ "retry-after": "soon" }, undefined],
    [{ "retry-after": "-1" }, undefined],
    [{ "retry-after-ms": "1e9" }, undefined],
  ];
  test.each(table)("%p: %p ms", (headers, ms) => {
    expect(retryAfterMs(new Headers(headers), nowMs)).toBe(ms);
  });
});

describe("an answer", () => {
  const table: [
    what: string,
    answer: [status: number, retryAfter: string],
    at: Partial<Standing>,
    verdict: Verdict,
  ][] = [
    ["401, the last key", [401, ""], {}, { do: "hand_on" }],
    ["401, another key", [401, ""], { hasOtherKey: true }, { do: "other_key", restMs: 300_000 }],
    ["403, another key", [403, ""], { hasOtherKey: true }, { do: "other_key", restMs: 300_000 }],
    ["429, another key, 7 s", [429, "7"], { hasOtherKey: true }, { do: "other_key", restMs: 7_000 }],
    ["429, another key, no word", [429, ""], { hasOtherKey: true }, { do: "other_key", restMs: 10_000 }],
    ["429, another key, a day", [429, "86400"], { hasOtherKey: true }, { do: "other_key", restMs: 600_000 }],
    ["429, another key, at once", [429, "0"], { hasOtherKey: true }, { do: "other_key", restMs: 1_000 }],
    ["429, the last key, by policy", [429, "2"], {}, { do: "again", delayMs: 2_000 }],
    ["429, longer than is waited for", [429, "6"], {}, { do: "hand_on" }],
    ["503, no word", [503, ""], {}, { do: "again", delayMs: 100 }],
    ["503, third attempt", [503, ""], { attempts: 3 }, { do: "hand_on" }],
    ["500, not in the policy", [500, ""], { hasOtherKey: true }, { do: "hand_on" }],
    ["503, a body that has passed", [503, ""], { canRepeat: false }, { do: "hand_on" }],
    [
      "401, a body that has passed",
      [401, ""],
      { canRepeat: false, hasOtherKey: true },
      { do: "hand_on", restMs: 300_000 },
    ],
    ["400, the client's own fault", [400, ""], { hasOtherKey: true }, { do: "hand_on" }],
  ];
  test.each(table)("%s", (_, [status, after], at, verdict) => {
    const answer = new Response("", { status, headers: after === "" ? {} : { "retry-after": after } });
    expect(judgeAnswer(answer, { ...standing, ...at })).toEqual(verdict);
  });
});

describe("no connection", () => {
  test("is tried again with growing pauses, as often as the policy says", () => {
    const delays = [1, 2, 3].map((attempts) => judgeNoConnection({ ...standing, attempts }));
    expect(delays).toEqual([{ do: "again", delayMs: 100 }, { do: "again", delayMs: 200 }, { do: "hand_on" }]);
  });
  test("pauses differ by chance, never by more than half", () => {
    expect(judgeNoConnection({ ...standing, random: 0 })).toEqual({ do: "again", delayMs: 50 });
  });
  test("with a body that has passed is told to the caller", () => {
    expect(judgeNoConnection({ ...standing, canRepeat: false })).toEqual({ do: "hand_on" });
  });
});

test("retries are at most ten in a row and then one for ten requests, for each host", () => {
  const budget = createRetryBudget();
  const withdrawn = () => Array.from({ length: 20 }, () => budget.withdraw("a")).filter(Boolean).length;
  expect(withdrawn()).toBe(10);
  for (let count = 0; count < 30; count++) budget.deposit("a");
  expect(withdrawn()).toBe(3);
  expect(budget.withdraw("b")).toBe(true);
});
