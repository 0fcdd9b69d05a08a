import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { formatUsd } from "../usage/money.ts";
import type { Price } from "../usage/price.ts";
import { createPricing } from "../usage/price-table.ts";
import defaultPrices from "./default-prices.yaml" with { type: "text" };
import { describePrice, priceKeyNames, tierNames } from "./price-keys.ts";
import { builtInPrices, parsePrices } from "./prices.ts";
import { formatProblem } from "./problem.ts";

function prices(text: string): ReadonlyMap<string, Price> {
  const parsed = parsePrices("p.yaml", text);
  if (!parsed.ok) throw new Error(parsed.error.map(formatProblem).join("\n"));
  return parsed.value.prices;
}

function problems(text: string): string[] {
  const parsed = parsePrices("p.yaml", text);
  return parsed.ok ? [] : parsed.error.map((problem) => `${formatProblem(problem)} [${problem.code}]`);
}

describe("a price file", () => {
  test("says each price in its unit, and means it", () => {
    const read = prices(`
date: 2026-01-31
models:
  GPT-Test:
    input_usd_per_mtok: "1000"
    cached_input_usd_per_mtok: 500
    cache_write_usd_per_mtok: "1250"
    cache_write_1h_usd_per_mtok: "2000"
    output_usd_per_mtok: "2000.000000001"
    audio_input_usd_per_mtok: "3000"
    audio_output_usd_per_mtok: "4000"
    image_usd_each: "0.04"
    audio_usd_per_minute: "0.006"
    characters_usd_per_million: "15"
    web_searches_usd_per_thousand: "10"
    max_input_tokens: 128000
    max_output_tokens: "4096"
`);
    const short = {
      input: 1_000_000_000_000n,
      cachedInput: 500_000_000_000n,
      cacheWrite: 1_250_000_000_000n,
      cacheWriteHour: 2_000_000_000_000n,
      output: 2_000_000_000_001n,
      audioInput: 3_000_000_000_000n,
      audioOutput: 4_000_000_000_000n,
      images: 40_000_000n,
      audioMs: 6_000_000n,
      characters: 15_000_000_000n,
      webSearches: 10_000_000_000n,
    };
    expect(read.get("gpt-test")).toEqual({
      longAboveTokens: undefined,
      bands: { standard: { short, long: short } },
      inputTokensMax: 128_000,
      outputTokensMax: 4096,
    });
  });

  test("has tiers: a multiplier for all but searches, own prices for short and long alike", () => {
    const read = prices(`
models:
  m:
    input_usd_per_mtok: "2"
    cached_input_usd_per_mtok: "0.2"
    output_usd_per_mtok: "10"
    web_searches_usd_per_thousand: "10"
    long_context: { above_input_tokens: 272000, input_usd_per_mtok: "4" }
    batch: { multiplier: "0.5", cached_input_usd_per_mtok: "0.3" }
    priority: { input_usd_per_mtok: "5" }
`).get("m");
    expect(describePrice(read as Price)).toEqual({
      input_usd_per_mtok: "2",
      cached_input_usd_per_mtok: "0.2",
      output_usd_per_mtok: "10",
      web_searches_usd_per_thousand: "10",
      long_context: {
        above_input_tokens: "272000",
        input_usd_per_mtok: "4",
        cached_input_usd_per_mtok: "0.2",
        output_usd_per_mtok: "10",
        web_searches_usd_per_thousand: "10",
      },
      batch: {
        input_usd_per_mtok: "1",
        cached_input_usd_per_mtok: "0.3",
        output_usd_per_mtok: "5",
        web_searches_usd_per_thousand: "10",
        long_context: {
          above_input_tokens: "272000",
          input_usd_per_mtok: "2",
          cached_input_usd_per_mtok: "0.3",
          output_usd_per_mtok: "5",
          web_searches_usd_per_thousand: "10",
        },
      },
      priority: {
        input_usd_per_mtok: "5",
        cached_input_usd_per_mtok: "0.2",
        output_usd_per_mtok: "10",
        web_searches_usd_per_thousand: "10",
        long_context: {
          above_input_tokens: "272000",
          input_usd_per_mtok: "5",
          cached_input_usd_per_mtok: "0.2",
          output_usd_per_mtok: "10",
          web_searches_usd_per_thousand: "10",
        },
      },
    });
  });

  test("a multiplier never rounds a price down", () => {
    const read = prices(`models: {m: {input_usd_per_mtok: "0.000000001", batch: {multiplier: "0.5"}}}`);
    expect(read.get("m")?.bands.batch?.short.input).toBe(1n);
  });

  test("a model without a price for output writes none that costs", () => {
    expect(prices(`models: {m: {input_usd_per_mtok: "1"}}`).get("m")?.outputTokensMax).toBe(0);
    expect(prices(`models: {m: {output_usd_per_mtok: "1"}}`).get("m")?.outputTokensMax).toBeUndefined();
  });

  test("names that mean something to JavaScript are names", () => {
    const read = prices(
      `models: {__proto__: {input_usd_per_mtok: "1"}, constructor: {input_usd_per_mtok: "2"}}`,
    );
    expect([...read.keys()]).toEqual(["__proto__", "constructor"]);
    expect(formatUsd(read.get("__proto__")?.bands.standard.short.input ?? 0n)).toBe("1");
  });

  test.each<[string, string, string[]]>([
    ["nothing", "", ["p.yaml:1: models is missing: it must be a map of one model or more [missing]"]],
    ["a list", "- 1", ["p.yaml:1: must be a map of known keys [invalid_value]"]],
    ["no model", "models: {}", ["p.yaml:1: models must be a map of one model or more [invalid_value]"]],
    [
      "unknown keys",
      'modles: {}\nmodels:\n  m:\n    input_usd_per_mtoks: "1"\n    output_usd_per_mtok: "1"',
      [
        "p.yaml:1: modles is not a known key (did you mean models?) [unknown_name]",
        "p.yaml:4: models.m.input_usd_per_mtoks is not a known key (did you mean input_usd_per_mtok?) [unknown_name]",
      ],
    ],
    [
      "an unknown key of a tier",
      'models:\n  m:\n    output_usd_per_mtok: "1"\n    batch:\n      multiplyer: "1"',
      ["p.yaml:5: models.m.batch.multiplyer is not a known key (did you mean multiplier?) [unknown_name]"],
    ],
    [
      "amounts that are none, all at once",
      'models:\n  m:\n    input_usd_per_mtok: "-1"\n    output_usd_per_mtok: 1e3\n    batch: {multiplier: half}\n    max_output_tokens: 0',
      [
        'p.yaml:3: models.m.input_usd_per_mtok "-1" is not an amount in dollars: write digits such as 0.15, nine decimals at most [invalid_value]',
        'p.yaml:4: models.m.output_usd_per_mtok "1e3" is not an amount in dollars: write digits such as 0.15, nine decimals at most [invalid_value]',
        'p.yaml:5: models.m.batch.multiplier "half" is not a number: write one such as 0.5 [invalid_value]',
        'p.yaml:6: models.m.max_output_tokens "0" is too small: the least is 1 [invalid_value]',
      ],
    ],
    [
      "a model without a price",
      'models:\n  m: {}\n  n: { max_output_tokens: "5" }\n  o:',
      [
        "p.yaml:2: models.m has no price: give it one, or 0 [missing]",
        "p.yaml:3: models.n has no price: give it one, or 0 [missing]",
        "p.yaml:4: models.o must be a map of known keys [invalid_value]",
      ],
    ],
    [
      "tiers without a price",
      'models:\n  m:\n    input_usd_per_mtok: "1"\n    long_context: { above_input_tokens: "5" }\n    flex: {}',
      [
        "p.yaml:4: models.m.long_context must be a map of above_input_tokens and prices [invalid_value]",
        "p.yaml:5: models.m.flex must be a map of a multiplier or prices [invalid_value]",
      ],
    ],
    [
      "a name that is none",
      'models:\n  "gpt 4": { input_usd_per_mtok: "1" }\n  "": { input_usd_per_mtok: "1" }',
      [
        "p.yaml:2: models.gpt 4 is not a name of a model: 1 to 200 characters, no blanks [invalid_value]",
        "p.yaml:3: models. is not a name of a model: 1 to 200 characters, no blanks [invalid_value]",
      ],
    ],
    [
      "a star within a name",
      'models: {"gpt-*-mini": {input_usd_per_mtok: "1"}, "a**": {input_usd_per_mtok: "1"}}',
      [
        "p.yaml:1: models.gpt-*-mini has a * that is not its end: write prefix* [invalid_value]",
        "p.yaml:1: models.a** has a * that is not its end: write prefix* [invalid_value]",
      ],
    ],
    [
      "one name in two cases",
      'models:\n  A: { input_usd_per_mtok: "1" }\n  a: { input_usd_per_mtok: "1" }',
      ["p.yaml:3: models.a is there twice, as case does not count: remove one [invalid_value]"],
    ],
    [
      "a day that is none",
      'date: "2026-02-30"\nmodels: {m: {input_usd_per_mtok: "1"}}',
      ["p.yaml:1: date must be a day such as 2026-01-31 [invalid_value]"],
    ],
    [
      "one name twice",
      'models:\n  a: {input_usd_per_mtok: "1"}\n  a: {input_usd_per_mtok: "2"}',
      ["p.yaml:3: the key a is set twice: remove one [invalid_syntax]"],
    ],
  ])("%s is refused, with its line", (_name, text, expected) => {
    expect(problems(text)).toEqual(expected);
  });

  test("a name of 10 KB is refused, and not repeated", () => {
    const [problem = ""] = problems(`models: {"${"n".repeat(10_240)}": {input_usd_per_mtok: "1"}}`);
    expect(problem).toContain("is not a name of a model");
    expect(problem.length).toBeLessThan(250);
  });
});

describe("the price table in the binary", () => {
  const builtIn = builtInPrices();
  const pricing = createPricing([builtIn]);

  test("reads the same with and without lines, and says its day", () => {
    expect(builtIn.prices).toEqual(prices(defaultPrices) as Map<string, Price>);
    expect(pricing.tableDate).toMatch(/^2026-\d\d-\d\d$/);
  });

  test("holds names, no prefixes: it guesses nothing", () => {
    expect(builtIn.prices.size).toBeGreaterThan(200);
    expect([...builtIn.prices.keys()].filter((name) => name.includes("*"))).toEqual([]);
  });

  test("every source has its address and its day", () => {
    const heads = [...defaultPrices.matchAll(/^ {2}# \S.*, (https:\S+), read .*2026/gm)];
    expect(heads.length).toBeGreaterThanOrEqual(8);
  });

  test.each([
    ["gpt-4o-2024-11-20", "2.5", "10"],
    ["gpt-4o-2024-05-13", "5", "15"],
    ["gpt-4o-mini-2024-07-18", "0.15", "0.6"],
    ["ft:gpt-4o-mini-2024-07-18:org::id", "0.3", "1.2"],
    ["openai/gpt-4.1-mini", "0.4", "1.6"],
    ["claude-sonnet-4-5-20250929", "3", "15"],
    ["anthropic/claude-opus-4.5", "5", "25"],
    ["models/gemini-2.5-flash", "0.3", "2.5"],
    ["grok-4.3", "1.25", "2.5"],
  ])("%s costs %s and %s a million", (model, input, output) => {
    const rates = pricing.priceOf(model)?.bands.standard.short;
    expect([rates?.input, rates?.output].map((rate) => formatUsd(rate ?? -1n))).toEqual([input, output]);
  });

  test.each(["gpt-4o-audio-preview", "gpt-4o-mini-tts", "gpt-4o-mini-transcribe"])(
    "%s is not paid as text",
    (model) => {
      const { audioInput, audioOutput } = pricing.priceOf(model)?.bands.standard.short ?? {};
      expect(audioInput ?? audioOutput).toBeGreaterThan(0n);
    },
  );

  // Guards against a slip of the keys: what is cached costs less, what is written to a cache more, output most.
  test.each([...builtIn.prices])("the prices of %s are in their usual order", (_name, { bands }) => {
    for (const { short, long } of Object.values(bands)) {
      for (const {
        input = 0n,
        cachedInput = 0n,
        cacheWrite = input,
        cacheWriteHour = cacheWrite,
        output = input,
      } of [short, long]) {
        const cache = [cachedInput, input, cacheWrite, cacheWriteHour];
        expect(cache).toEqual(cache.toSorted((a, b) => Number(a - b)));
        expect(output).toBeGreaterThanOrEqual(input);
      }
      expect(long.input ?? 0n).toBeGreaterThanOrEqual(short.input ?? 0n);
    }
  });
});

describe("docs/prices.md", () => {
  const page = readFileSync(join(import.meta.dir, "../../docs/prices.md"), "utf8");

  test("its price file is right", () => {
    const [, text = ""] = /\n```yaml\n([\s\S]*?)\n```/.exec(page) ?? [];
    expect([...prices(text).keys()]).toEqual(["gpt-4o", "our-deployment", "llama3*"]);
  });

  test.each([...priceKeyNames, ...tierNames, "long_context", "max_input_tokens", "max_output_tokens"])(
    "tells what %s is",
    (key) => {
      expect(page).toContain(`\`${key}\``);
    },
  );
});
