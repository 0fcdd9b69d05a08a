import type { Static } from "@sinclair/typebox";
import { Type } from "@sinclair/typebox";
import type { Result } from "../result.ts";
import { fail, ok } from "../result.ts";
import { divideUp, nanoUsdPerUsd, parseUsd } from "../usage/money.ts";
import type { Band, Price, Rates } from "../usage/price.ts";
import type { PriceTable } from "../usage/price-table.ts";
import { isPrefix, modelNameLengthMax } from "../usage/price-table.ts";
import defaultPrices from "./default-prices.yaml" with { type: "text" };
import type { PriceKey } from "./price-keys.ts";
import { priceKeyNames, priceKeys, tierNames } from "./price-keys.ts";
import type { Problem } from "./problem.ts";
import { shape } from "./shape.ts";
import { parseInteger } from "./units.ts";
import { quote } from "./values.ts";
import { parseYaml } from "./yaml-file.ts";

// Every description ends the sentence "… must be".
const amount = Type.Optional(Type.String({ description: "an amount in dollars such as 0.15" }));
const count = Type.String({ description: "a whole number" });
const rateSchemas = Object.fromEntries(priceKeyNames.map((key) => [key, amount])) as Record<
  PriceKey,
  typeof amount
>;
const strict = { additionalProperties: false, description: "a map of known keys" };
const tier = Type.Optional(
  Type.Object(
    { multiplier: Type.Optional(Type.String({ description: "a number such as 0.5" })), ...rateSchemas },
    { ...strict, minProperties: 1, description: "a map of a multiplier or prices" },
  ),
);
const modelSchema = Type.Object(
  {
    ...rateSchemas,
    long_context: Type.Optional(
      Type.Object(
        { above_input_tokens: count, ...rateSchemas },
        { ...strict, minProperties: 2, description: "a map of above_input_tokens and prices" },
      ),
    ),
    batch: tier,
    flex: tier,
    priority: tier,
    max_input_tokens: Type.Optional(count),
    max_output_tokens: Type.Optional(count),
  },
  strict,
);
const fileSchema = Type.Object(
  {
    date: Type.Optional(Type.String({ description: "a day such as 2026-01-31" })),
    models: Type.Record(Type.String(), Type.Unknown(), {
      description: "a map of one model or more",
      minProperties: 1,
    }),
  },
  strict,
);

type ModelEntry = Partial<Static<typeof modelSchema>>;
type RateEntries = Readonly<Partial<Record<PriceKey, string>>>;

/** Takes down what is wrong at a place of the file. */
type Report = (path: readonly string[], message: string, code?: Problem["code"]) => void;

/**
 * Reads a price file (docs/prices.md). `file` is its name in problems. Everything that is wrong comes at once, with its
 * line; an unknown key or a wrong value anywhere gives no prices at all.
 */
export function parsePrices(file: string, text: string): Result<PriceTable, readonly Problem[]> {
  const yaml = parseYaml(file, text);
  if (!yaml.ok) return yaml;
  const problems: Problem[] = [];
  const table = readTable(file, yaml.value.value, (path, message, code = "invalid_value") => {
    problems.push({ code, file, line: yaml.value.lineOf(path), name: path.map(shorten).join("."), message });
  });
  return problems.length > 0 ? fail(problems) : ok(table);
}

/** The table in the binary. Nobody needs its lines, so the runtime's own parser reads it, fifty times as fast. */
export function builtInPrices(): PriceTable {
  return readTable("built in", Bun.YAML.parse(defaultPrices), (path, message) => {
    throw new Error(`the price table in the binary: ${path.join(".")} ${message}`);
  });
}

function readTable(source: string, written: unknown, report: Report): PriceTable {
  const { value, faults } = shape(fileSchema, written ?? {});
  for (const { path, message, code } of faults) report(path, message, code);
  if (value.date !== undefined && !isDay(value.date)) report(["date"], "must be a day such as 2026-01-31");
  return { source, date: value.date, prices: readModels(value.models ?? {}, report) };
}

function readModels(models: Readonly<Record<string, unknown>>, report: Report): Map<string, Price> {
  const prices = new Map<string, Price>();
  for (const [name, entry] of Object.entries(models)) {
    const reportHere: Report = (path, ...what) => report(["models", name, ...path], ...what);
    const key = name.toLowerCase();
    const problem = prices.has(key) ? "is there twice, as case does not count: remove one" : checkName(name);
    if (problem !== undefined) reportHere([], problem);
    const { value, faults } = shape(modelSchema, entry);
    for (const { path, message, code } of faults) reportHere(path, message, code);
    if (faults.length === 0) prices.set(key, readPrice(value, reportHere));
  }
  return prices;
}

function readPrice(entry: ModelEntry, report: Report): Price {
  const short = readRates(entry, [], report);
  if (Object.keys(short).length === 0) report([], "has no price: give it one, or 0", "missing");
  const { long_context: longContext, max_input_tokens: inputMax, max_output_tokens: outputMax } = entry;
  const standard: Band = {
    short,
    long:
      longContext === undefined ? short : { ...short, ...readRates(longContext, ["long_context"], report) },
  };
  const tiers = tierNames.flatMap((name) => {
    const own = entry[name];
    return own === undefined ? [] : [[name, readTier(standard, own, [name], report)] as const];
  });
  return {
    longAboveTokens: readCount(
      longContext?.above_input_tokens,
      ["long_context", "above_input_tokens"],
      report,
    ),
    bands: { standard, ...Object.fromEntries(tiers) },
    inputTokensMax: readCount(inputMax, ["max_input_tokens"], report),
    outputTokensMax:
      readCount(outputMax, ["max_output_tokens"], report) ?? (isOutputFree(standard) ? 0 : undefined),
  };
}

/** Embeddings and the like write nothing that is paid. */
function isOutputFree({ short, long }: Band): boolean {
  return [short, long].every(({ output, audioOutput }) => output === undefined && audioOutput === undefined);
}

/** Its own prices hold for short and long requests; the multiplier is for all others but those of searches. */
function readTier(
  standard: Band,
  { multiplier, ...entries }: RateEntries & { readonly multiplier?: string },
  path: readonly string[],
  report: Report,
): Band {
  const factor = parseUsd(multiplier ?? "1");
  if (!factor.ok)
    report([...path, "multiplier"], `${quote(multiplier ?? "")} is not a number: write one such as 0.5`);
  const times = factor.ok ? factor.value : nanoUsdPerUsd;
  const own = readRates(entries, path, report);
  const short = { ...multiply(standard.short, times), ...own };
  return {
    short,
    long: standard.long === standard.short ? short : { ...multiply(standard.long, times), ...own },
  };
}

function multiply(rates: Rates, factorNano: bigint): Rates {
  const multiplied = Object.entries(rates).map(
    ([part, rate]) =>
      [part, part === "webSearches" ? rate : divideUp(rate * factorNano, nanoUsdPerUsd)] as const,
  );
  return Object.fromEntries(multiplied);
}

function readRates(entries: RateEntries, path: readonly string[], report: Report): Rates {
  const read = priceKeyNames.flatMap((key) => {
    const text = entries[key];
    return text === undefined ? [] : [[priceKeys[key], readAmount(text, [...path, key], report)] as const];
  });
  return Object.fromEntries(read);
}

function readAmount(text: string, path: readonly string[], report: Report): bigint {
  const parsed = parseUsd(text);
  if (!parsed.ok) report(path, `${quote(text)} ${parsed.error}`);
  return parsed.ok ? parsed.value : 0n;
}

function readCount(text: string | undefined, path: readonly string[], report: Report): number | undefined {
  if (text === undefined) return undefined;
  const parsed = parseInteger(text, { min: 1 });
  if (!parsed.ok) report(path, `${quote(text)} ${parsed.error}`);
  return parsed.ok ? parsed.value : undefined;
}

function checkName(name: string): string | undefined {
  if (name === "" || name.length > modelNameLengthMax || /[\s\p{Cc}]/u.test(name)) {
    return `is not a name of a model: 1 to ${modelNameLengthMax} characters, no blanks`;
  }
  const rest = isPrefix(name) ? name.slice(0, -1) : name;
  return rest.includes("*") ? "has a * that is not its end: write prefix*" : undefined;
}

function isDay(text: string): boolean {
  const at = new Date(`${text}T00:00:00Z`);
  return /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(at.getTime()) && at.toISOString().startsWith(text);
}

function shorten(step: string): string {
  return step.length > 80 ? `${step.slice(0, 80)}…` : step;
}
