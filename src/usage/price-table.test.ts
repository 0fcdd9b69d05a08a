import { describe, expect, test } from "bun:test";
import type { Price } from "./price.ts";
import { createPricing, modelNameLengthMax, type PriceTable } from "./price-table.ts";

function table(source: string, names: readonly string[], date?: string): PriceTable {
  const short = { input: 1n };
  const price: Price = {
    longAboveTokens: undefined,
    inputTokensMax: undefined,
    outputTokensMax: undefined,
    bands: { standard: { short, long: short } },
  };
  return { source, date, prices: new Map(names.map((name) => [name, { ...price }])) };
}

/** The entry that stands for a model, in a table of these. */
function entryFor(model: string, names: readonly string[]): string | undefined {
  return createPricing([table("a", names)]).find(model)?.name;
}

describe("the entry that stands for a model (USE-107)", () => {
  const names = ["gpt-4o", "gpt-4o-mini"];
  test.each<[model: string, entry: string | undefined]>([
    ["gpt-4o", "gpt-4o"],
    ["gpt-4o-2024-11-20", "gpt-4o"],
    ["gpt-4o-20241120", "gpt-4o"],
    ["gpt-4o-mini", "gpt-4o-mini"],
    ["gpt-4o-mini-2024-07-18", "gpt-4o-mini"],
    ["openai/gpt-4o", "gpt-4o"],
    ["openai/gpt-4o-mini-2024-07-18", "gpt-4o-mini"],
    ["GPT-4O", "gpt-4o"],
    ["OpenAI/GPT-4o-Mini", "gpt-4o-mini"],
    ["ft:gpt-4o-mini:org::id", undefined],
    ["ft:gpt-4o:org::id", undefined],
    ["gpt-4o-mini-2024-07-18.ft-0123", undefined],
    ["gpt-4o-audio-preview", undefined],
    ["gpt-4o-audio-preview-2024-12-17", undefined],
    ["gpt-4o-mini-tts", undefined],
    ["gpt-4o-2024-13-45", undefined],
    ["gpt-4o-2024", undefined],
    ["gpt-4o-0513", undefined],
    ["gpt-4o-", undefined],
    ["gpt-4", undefined],
    ["gpt-5-new", undefined],
    ["somebody/gpt-4o", undefined],
    ["openai/openai/gpt-4o", undefined],
    ["constructor", undefined],
    ["__proto__", undefined],
    ["hasOwnProperty", undefined],
    ["", undefined],
    ["openai/", undefined],
    ["ft:", undefined],
    [" gpt-4o", undefined],
    ["my-azure-deployment", undefined],
  ])("%p: %p", (model, entry) => {
    expect(entryFor(model, names)).toBe(entry as string);
  });

  test("a name of 10 KB has none, not even that of all", () => {
    expect(entryFor("gpt-4o".padEnd(10_240, "-2024-11-20"), ["gpt-4o", "*"])).toBeUndefined();
    expect(entryFor("a".repeat(modelNameLengthMax), ["*"])).toBe("*");
  });

  test.each<[model: string, names: string[], entry: string | undefined]>([
    ["gpt-4o-mini-x", ["gpt-4o*", "gpt-4o-mini*"], "gpt-4o-mini*"],
    ["gpt-4o-x", ["gpt-4o*", "gpt-4o-mini*"], "gpt-4o*"],
    ["gpt-4o", ["gpt-4o*", "gpt-4o"], "gpt-4o"],
    ["gpt-4o", ["gpt-4o*", "*"], "gpt-4o*"],
    ["other", ["gpt-4o*", "*"], "*"],
    ["gpt-4o*", ["gpt-4o*x", "gpt-4o"], undefined],
    // Its own name, one after the vendor, its name without the date, a prefix: which of them says most?
    ["openai/gpt-4o", ["openai/*", "gpt-4o"], "gpt-4o"],
    ["openai/gpt-4o", ["openai/gpt-4o", "gpt-4o"], "openai/gpt-4o"],
    ["openai/gpt-9", ["openai/*", "gpt-4o"], "openai/*"],
    ["gpt-4o-2024-11-20", ["gpt-4o", "gpt-4o-2024-11-20"], "gpt-4o-2024-11-20"],
    ["gpt-4o-2024-11-20", ["gpt-4o", "gpt-4o-2024*"], "gpt-4o-2024*"],
    ["gpt-4o-2024-11-20", ["gpt-4o", "gpt-*"], "gpt-4o"],
    ["gpt-4o-2024-11-20", ["gpt-4o", "gpt-4o*"], "gpt-4o"],
    ["ft:gpt-4o-mini:org::id", ["ft:gpt-4o-mini", "gpt-4o-mini", "ft:*"], "ft:gpt-4o-mini"],
    ["ft:gpt-4o-mini-2024-07-18:org::id", ["ft:gpt-4o-mini", "gpt-4o-mini"], "ft:gpt-4o-mini"],
    [
      "ft:gpt-4o-mini-2024-07-18:org::id",
      ["ft:gpt-4o-mini", "ft:gpt-4o-mini-2024-07-18"],
      "ft:gpt-4o-mini-2024-07-18",
    ],
    ["ft:gpt-4o-audio:org::id", ["ft:gpt-4o"], undefined],
    ["models/gemini-2.5-flash", ["gemini-2.5-flash"], "gemini-2.5-flash"],
  ])("%p in a table of %p: %p", (model, table_, entry) => {
    expect(entryFor(model, table_)).toBe(entry as string);
  });
});

describe("tables over each other", () => {
  const pricing = createPricing([
    table("file", ["gpt-4o", "gpt-*"]),
    table("built in", ["gpt-4o", "gpt-5"], "2026-11-25"),
  ]);

  test("of two entries with one name the first holds; all others are there", () => {
    const found = ["gpt-4o", "gpt-5", "gpt-6"].map((model) => pricing.find(model));
    expect(found.map((entry) => `${entry?.name} of ${entry?.source}`)).toEqual([
      "gpt-4o of file",
      "gpt-5 of built in",
      "gpt-* of file",
    ]);
    expect(pricing.entries.map(({ name, source }) => `${name} of ${source}`)).toEqual([
      "gpt-4o of file",
      "gpt-* of file",
      "gpt-5 of built in",
    ]);
  });

  test("the price is that of the entry, the date that of the last table", () => {
    expect(pricing.priceOf("gpt-4o")).toBe(pricing.find("gpt-4o")?.price as Price);
    expect(pricing.priceOf("claude")).toBeUndefined();
    expect(pricing.tableDate).toBe("2026-11-25");
  });
});
