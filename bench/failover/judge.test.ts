import { describe, expect, test } from "bun:test";
import type { Attempt } from "./attempt.ts";
import { faultOfBooks } from "./books.ts";
import type { Seen } from "./client.ts";
import { rightAnswer } from "./deeds.ts";
import type { Entry } from "./evidence.ts";
import { judge } from "./judge.ts";
import { openCheerful, openSpendthrift, openStubborn } from "./liars.ts";
import { perform } from "./perform.ts";
import { scenarios } from "./scenarios.ts";
import type { OpenTarget } from "./target.ts";

const scale = 1 / 20;

async function faultsOf(target: OpenTarget): Promise<Map<number, string>> {
  const { played } = await perform(target, scenarios, scale, () => {});
  return new Map(played.map(({ scenario, faults }) => [scenario.number, faults.join("; ")]));
}

test("liars are found out: no scenario lets all of them pass", async () => {
  const [cheerful, spendthrift, stubborn] = await Promise.all([
    faultsOf(openCheerful),
    faultsOf(openSpendthrift),
    faultsOf(openStubborn),
  ]);
  for (const number of [1, 2, 3, 4, 5, 8, 10, 12, 14, 15])
    expect([number, cheerful.get(number)]).toEqual([number, expect.stringContaining("looks whole")]);
  expect(cheerful.get(6)).toContain("no end within");
  for (const number of [7, 9, 11, 13])
    expect([number, spendthrift.get(number)]).toEqual([
      number,
      expect.stringContaining("answers to pay for"),
    ]);
  expect(stubborn.get(1)).toContain("before Retry-After");
  expect(stubborn.get(2)).toContain("10 requests to providers");
  for (const liar of [cheerful, spendthrift, stubborn]) expect(liar.get(16)).toContain("keeps no books");
}, 30_000);

const seen: Seen = {
  callId: "c",
  messages: "[]",
  status: 200,
  headers: [],
  body: "",
  bodyBytes: 100,
  text: rightAnswer,
  finishReason: "stop",
  streamError: undefined,
  ending: "whole",
  startedMs: 0,
  tookMs: 10,
};
const attempt: Attempt = {
  provider: "primary",
  callId: "c",
  atMs: 1,
  isStream: true,
  messages: "[]",
  tokens: 60,
  bodyBytes: 100,
  isBilled: true,
  waitToldMs: 0,
  hasActed: true,
  isCut: () => false,
};

describe("a verdict", () => {
  const scenario = { ...scenarios[3]!, errorCode: "it" };
  const faults = (saw: Partial<Seen>, ...attempts: readonly Partial<Attempt>[]) => {
    const came = attempts.map((changes) => ({ ...attempt, ...changes }));
    const evidence = { seen: [{ ...seen, ...saw }], attempts: came, abandoned: [], entries: undefined };
    return judge(scenario, 1_000, evidence).faults;
  };
  const cut = { text: "t1 t2 ", finishReason: undefined };
  const error = { status: 503, text: "", finishReason: undefined, body: "it" };

  test("lets the right answer and honest errors pass", () => {
    expect(faults({}, {})).toEqual([]);
    expect(faults({ ...cut, ending: "broken" }, {})).toEqual([]);
    expect(faults({ ...cut, streamError: "bad_gateway" }, {})).toEqual([]);
    expect(faults(error)).toEqual([]);
    expect(faults({ ...error, status: Number.NaN, ending: "broken" })).toEqual([]);
  });

  test.each([
    ["a cut answer that looks whole", cut, "looks whole with 2 of 60 tokens"],
    ["an answer that came too late", { tookMs: 1_001 }, "no end within 1 s"],
    ["silence", { ending: "silent" }, "no end within 1 s"],
    ["another text", { text: "t1 t3 ", ending: "broken" }, "text that no provider wrote"],
    ["the status of another fault", { ...error, status: 401 }, "401 tells of another fault"],
    ["an error without its code", { ...error, body: "{}" }, "the error does not say it"],
  ] as const)("does not let %s pass", (_, saw, fault) => {
    expect(faults(saw, {})).toEqual([expect.stringContaining(fault)]);
  });

  test("does not let two answers, a storm, another conversation or an abandoned provider pass", () => {
    expect(faults({}, {}, { provider: "fallback" })).toEqual(["2 answers to pay for"]);
    expect(faults({}, ...Array.from({ length: 7 }, () => ({ isBilled: false })))).toEqual([
      "7 requests to providers",
    ]);
    expect(faults({}, { messages: "[1]" })).toEqual(["another conversation was sent"]);
    const evidence = { seen: [seen], attempts: [attempt], abandoned: [attempt], entries: undefined };
    expect(judge(scenario, 1_000, evidence).faults).toEqual(["a provider goes on working for nobody"]);
  });

  test("takes an error for a fault where a provider answers", () => {
    const noDone = scenarios.find(({ number }) => number === 11)!;
    const evidence = { seen: [{ ...seen, ...error }], attempts: [], abandoned: [], entries: undefined };
    expect(judge(noDone, 1_000, evidence).faults).toEqual(["503, although a provider answers"]);
  });
});

describe("books", () => {
  const right: Entry = { status: 200, provider: "primary", ending: "whole", bytes: 100 };
  const fault = (saw: Partial<Seen>, ...entries: readonly Entry[]) =>
    faultOfBooks({ seen: [{ ...seen, ...saw }], attempts: [attempt], abandoned: [], entries: [entries] });

  test("are right with one entry that says what was seen", () => {
    expect(fault({}, right)).toBeUndefined();
    expect(fault({ ending: "broken", bodyBytes: 300 }, { ...right, ending: "cut" })).toBeUndefined();
    expect(fault({ ending: "left", bodyBytes: 20 }, { ...right, ending: "left", bytes: 60 })).toBeUndefined();
  });

  test.each([
    ["no entry", []],
    ["two entries", [right, right]],
    ["another status", [{ ...right, status: 502 }]],
    ["another provider", [{ ...right, provider: "fallback" }]],
    ["another end", [{ ...right, ending: "cut" }]],
    ["no word of the end", [{ ...right, ending: undefined }]],
    ["another size", [{ ...right, bytes: 99 }]],
    ["no size", [{ ...right, bytes: undefined }]],
  ] as const)("are wrong with %s", (_, entries) => {
    expect(fault({}, ...entries)).toStartWith("books: ");
  });
});
