import { describe, expect, test } from "bun:test";
import { createRandom } from "../../test/fuzz/random.ts";
import { formatUsd, parseUsd } from "./money.ts";
import type { Price, Priced, Rates, Unpriced } from "./price.ts";
import { costOf, worstCase } from "./price.ts";
import type { ServiceTier, Usage } from "./usage.ts";
import { noUsage } from "./usage.ts";

function rates(usd: Partial<Record<Priced, string>>): Rates {
  const parsed = Object.entries(usd).map(([part, text]) => {
    const amount = parseUsd(text);
    if (!amount.ok) throw new Error(text);
    return [part, amount.value] as const;
  });
  return Object.fromEntries(parsed);
}

function price(usd: Partial<Record<Priced, string>>, rest: Partial<Price> = {}): Price {
  const short = rates(usd);
  return {
    longAboveTokens: undefined,
    inputTokensMax: undefined,
    outputTokensMax: undefined,
    bands: { standard: { short, long: short } },
    ...rest,
  };
}

const used = (usage: Partial<Usage>): Usage => ({ ...noUsage, ...usage });

/** USD as text, and what had no price. */
function cost(usage: Partial<Usage>, at: Price): [string | null, ...Unpriced[]] {
  const { costNanoUsd, unpriced } = costOf(used(usage), at);
  return [costNanoUsd === null ? null : formatUsd(costNanoUsd), ...unpriced];
}

const claude = price({
  input: "3",
  cacheWrite: "3.75",
  cacheWriteHour: "6",
  cachedInput: "0.30",
  output: "15",
  webSearches: "10",
});
const gpt = price({ input: "2.50", cachedInput: "1.25", output: "10" });

describe("costOf", () => {
  test("pays each kind of Anthropic's input once, at its own price (USE-101)", () => {
    const usage = {
      inputTokens: 3 + 12_304 + 2000,
      cacheWriteTokens: 12_000,
      cacheWriteHourTokens: 304,
      cachedInputTokens: 2000,
      outputTokens: 550,
    };
    expect(cost(usage, claude)).toEqual(["0.055683"]);
  });

  test("takes cached tokens out of the input, and adds no reasoning to the output (USE-102)", () => {
    const usage = { inputTokens: 2006, cachedInputTokens: 1920, outputTokens: 300, reasoningTokens: 200 };
    expect(cost(usage, gpt)).toEqual(["0.005615"]);
  });

  test.each<[string, Partial<Usage>, Price, [string, ...Unpriced[]]]>([
    ["seconds of a minute", { audioMs: 61_000 }, price({ audioMs: "0.006" }), ["0.0061"]],
    ["a part of a second", { audioMs: 61_200 }, price({ audioMs: "0.006" }), ["0.00612"]],
    [
      "audio and text tokens apart",
      { inputTokens: 14, audioInputTokens: 10, outputTokens: 5 },
      price({ input: "2.5", audioInput: "6", output: "10" }),
      ["0.00012"],
    ],
    ["characters", { characters: 1000 }, price({ characters: "15" }), ["0.015"]],
    [
      "minutes whose text was estimated",
      { audioMs: 60_000, outputTokens: 9 },
      price({ audioMs: "0.006" }),
      ["0.006"],
    ],
    [
      "minutes at a price by tokens",
      { audioMs: 60_000 },
      price({ input: "2.5", output: "10" }),
      ["0", "audioMs"],
    ],
    ["characters at a price by minutes", { characters: 7 }, price({ audioMs: "1" }), ["0", "characters"]],
  ])("audio is paid by its unit: %s (USE-105)", (_name, usage, at, expected) => {
    expect(cost(usage, at)).toEqual(expected);
  });

  test.each<[string, Partial<Usage>, Price, [string, ...Unpriced[]]]>([
    ["searches", { inputTokens: 1, webSearches: 3 }, claude, ["0.030003"]],
    ["searches without a price", { inputTokens: 2, webSearches: 3 }, gpt, ["0.000005", "webSearches"]],
    ["a tier without a price", { inputTokens: 2, tier: "flex" }, gpt, ["0.000005", "tier"]],
    ["audio at a price for text", { inputTokens: 100, audioInputTokens: 90 }, gpt, ["0.00025", "audioInput"]],
    [
      "spoken output at a price for text",
      { outputTokens: 5, audioOutputTokens: 5 },
      gpt,
      ["0.00005", "audioOutput"],
    ],
    ["an hour in the cache", { inputTokens: 8, cacheWriteHourTokens: 8 }, gpt, ["0.00002", "cacheWriteHour"]],
    ["output of a model that has none", { outputTokens: 5 }, price({ input: "1" }), ["0", "output"]],
    [
      "tokens at a price by minutes",
      { inputTokens: 5, outputTokens: 1 },
      price({ audioMs: "1" }),
      ["0", "input", "output"],
    ],
    ["pictures that tokens pay", { images: 1, outputTokens: 100 }, gpt, ["0.001"]],
    ["pictures that nothing pays", { images: 1 }, gpt, ["0", "images"]],
    ["pictures by the piece", { images: 2 }, price({ images: "0.04" }), ["0.08"]],
    [
      "what goes to the cache at no price of its own",
      { inputTokens: 4, cacheWriteTokens: 4 },
      gpt,
      ["0.00001"],
    ],
  ])("what has no price is told: %s (USE-110)", (_name, usage, at, expected) => {
    expect(cost(usage, at)).toEqual(expected);
  });

  test("a cached token costs as much as another where it has no price", () => {
    expect(cost({ inputTokens: 10, cachedInputTokens: 10 }, price({ input: "1" }))).toEqual(["0.00001"]);
  });

  test("tier and length choose the prices", () => {
    const short = rates({ input: "1", output: "2" });
    const long = rates({ input: "10", output: "20" });
    const tiered = price(
      {},
      {
        longAboveTokens: 100,
        bands: {
          standard: { short, long },
          priority: { short: rates({ input: "100" }), long: rates({ input: "1000" }) },
        },
      },
    );
    expect(cost({ inputTokens: 100, outputTokens: 1 }, tiered)).toEqual(["0.000102"]);
    expect(cost({ inputTokens: 101, outputTokens: 1 }, tiered)).toEqual(["0.00103"]);
    expect(cost({ inputTokens: 100, tier: "priority" }, tiered)).toEqual(["0.01"]);
    expect(cost({ inputTokens: 101, tier: "priority" }, tiered)).toEqual(["0.101"]);
  });

  test("a token from the cache that is audio too is paid once, as audio", () => {
    const audio = price({ input: "1", cachedInput: "0.1", audioInput: "10" });
    expect(cost({ inputTokens: 100, audioInputTokens: 80, cachedInputTokens: 80 }, audio)).toEqual([
      "0.000802",
    ]);
  });

  test("parts that exceed their whole are paid all the same", () => {
    expect(cost({ inputTokens: 0, cachedInputTokens: 1000 }, gpt)).toEqual(["0.00125"]);
    expect(cost({ outputTokens: 0, audioOutputTokens: 1000 }, gpt)).toEqual(["0.01", "audioOutput"]);
  });

  test("a request is rounded up once, to a nano-dollar", () => {
    const tiny = price({ input: "0.0125", output: "0.0125" });
    expect(cost({ inputTokens: 1 }, tiny)).toEqual(["0.000000013"]);
    expect(cost({ inputTokens: 1, outputTokens: 1 }, tiny)).toEqual(["0.000000025"]);
    expect(cost({ audioMs: 1 }, price({ audioMs: "0.006" }))).toEqual(["0.0000001"]);
  });

  test("the table goes before what the provider reports, which stands in for a missing price", () => {
    const usage = used({ inputTokens: 1_000_000, reportedCostNanoUsd: 7n });
    expect(costOf(usage, gpt)).toEqual({ costNanoUsd: 2_500_000_000n, basis: "table", unpriced: [] });
    expect(costOf(usage, undefined)).toEqual({ costNanoUsd: 7n, basis: "reported", unpriced: [] });
    expect(costOf(noUsage, undefined)).toEqual({ costNanoUsd: null, basis: "none", unpriced: [] });
  });
});

describe("sums", () => {
  const sumOf = (calls: number, at: Price): bigint => {
    let total = 0n;
    for (let call = 0; call < calls; call++) total += costOf(used({ inputTokens: 1 }), at).costNanoUsd ?? 0n;
    return total;
  };

  test("of a million calls of one token are exact, and no call is 0 (USE-108)", () => {
    const one = costOf(used({ inputTokens: 1 }), price({ input: "0.15" })).costNanoUsd ?? 0n;
    expect(one).toBe(150n);
    expect(formatUsd(sumOf(1_000_000, price({ input: "0.15" })))).toBe("0.15");
    expect(formatUsd(sumOf(3, price({ input: "0.075" })))).toBe("0.000000225");
  });

  test("are the same in any order and grouping, whatever the price of the day (USE-108)", () => {
    const costs = Array.from(
      { length: 999 },
      (_, call) =>
        costOf(used({ inputTokens: call % 7, outputTokens: call % 5 }), call < 500 ? gpt : claude)
          .costNanoUsd ?? 0n,
    );
    const add = (all: readonly bigint[]): bigint => all.reduce((a, b) => a + b, 0n);
    const groups = [0, 1, 2].map((group) => add(costs.filter((_, call) => call % 3 === group)));
    expect(add(groups)).toBe(add(costs));
    expect(add([...costs].reverse())).toBe(add(costs));
  });
});

describe("worstCase", () => {
  test("takes the dearest kind of input and of output", () => {
    expect(formatUsd(worstCase(claude, { inputTokens: 1_000_000, outputTokens: 1_000_000 }))).toBe("21");
    expect(formatUsd(worstCase(gpt, { inputTokens: 1_000_000 }))).toBe("2.5");
    expect(worstCase(gpt, {})).toBe(0n);
    expect(formatUsd(worstCase(claude, { webSearches: 3 }))).toBe("0.03");
  });

  test("looks at long requests only where the request may be long", () => {
    const long = { short: rates({ input: "1" }), long: rates({ input: "2" }) };
    const at = price({}, { longAboveTokens: 100, bands: { standard: long } });
    expect(formatUsd(worstCase(at, { inputTokens: 100 }))).toBe("0.0001");
    expect(formatUsd(worstCase(at, { inputTokens: 101 }))).toBe("0.000202");
  });

  test("no usage within the bounds costs more (seeded)", () => {
    const random = createRandom(20_261_125);
    const next = (below: number): number => random.between(0, Math.max(0, below - 1));
    for (let trial = 0; trial < 5000; trial++) {
      const at = randomPrice(next);
      const inputTokens = next(300);
      const outputTokens = next(300);
      const bounds = {
        inputTokens,
        outputTokens,
        images: next(3),
        audioMs: next(90_000),
        characters: next(5000),
        webSearches: next(4),
      };
      const within = (count: number): number => next(count + 1);
      const whole = within(inputTokens);
      const spoken = within(outputTokens);
      const cached = within(whole);
      const usage = used({
        inputTokens: whole,
        cachedInputTokens: cached,
        cacheWriteTokens: within(Math.floor((whole - cached) / 2)),
        cacheWriteHourTokens: within(Math.floor((whole - cached) / 2)),
        audioInputTokens: within(whole),
        outputTokens: spoken,
        audioOutputTokens: within(spoken),
        images: within(bounds.images),
        audioMs: within(bounds.audioMs),
        characters: within(bounds.characters),
        webSearches: within(bounds.webSearches),
        tier: (["standard", "batch", "flex", "priority"] as const)[next(4)] as ServiceTier,
      });
      const { costNanoUsd } = costOf(usage, at);
      expect([trial, (costNanoUsd ?? 0n) <= worstCase(at, bounds)]).toEqual([trial, true]);
    }
  });
});

const parts: readonly Priced[] = [
  "input",
  "cachedInput",
  "cacheWrite",
  "cacheWriteHour",
  "audioInput",
  "output",
  "audioOutput",
  "images",
  "audioMs",
  "characters",
  "webSearches",
];

function randomPrice(next: (below: number) => number): Price {
  const some = (): Rates =>
    Object.fromEntries(parts.filter(() => next(3) > 0).map((part) => [part, BigInt(next(2_000_000_000))]));
  const band = () => ({ short: some(), long: some() });
  return price(
    {},
    {
      longAboveTokens: next(2) === 0 ? undefined : next(300),
      bands: { standard: band(), ...(next(2) === 0 ? {} : { priority: band(), batch: band() }) },
    },
  );
}
