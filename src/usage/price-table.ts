import type { Price } from "./price.ts";

/** Prices by name: a model's, or `prefix*` for all that begin so. Names are in small letters. */
export interface PriceTable {
  /** For people: `built in`, or the file. */
  readonly source: string;
  /** The day whose prices these are, as 2026-01-31; undefined where the table does not tell. */
  readonly date: string | undefined;
  readonly prices: ReadonlyMap<string, Price>;
}

/** A price, the name it stands under, and the table it comes from. */
export interface FoundPrice {
  readonly name: string;
  readonly source: string;
  readonly price: Price;
}

/** What models cost. */
export interface Pricing {
  /** The price of a model as a request names it; undefined for one that no entry stands for. Never a guess. */
  priceOf(model: string): Price | undefined;
  /** The same, with the entry it comes from. */
  find(model: string): FoundPrice | undefined;
  /** Every entry that holds, in the order of the tables. */
  readonly entries: readonly FoundPrice[];
  /** The date of the last table. */
  readonly tableDate: string | undefined;
}

/** No model is called longer; a longer name has no price. */
export const modelNameLengthMax = 200;

/**
 * Lays the tables over each other: of two entries with one name that of the first table holds, as a whole.
 * An entry stands for a model, without regard to case, in this order (docs/prices.md):
 * 1. its very name, then its name without a vendor in front (`openai/gpt-4o`);
 * 2. the longest of: its name without a date at the end (`-2024-11-20`, `-20241120`); for a fine-tuned model
 *    `ft:base:…` the name `ft:base`, never that of the base; every `prefix*` that it begins with.
 */
export function createPricing(tables: readonly PriceTable[]): Pricing {
  const entries = new Map<string, FoundPrice>();
  for (const { source, prices } of tables) {
    for (const [name, price] of prices) if (!entries.has(name)) entries.set(name, { name, source, price });
  }
  const prefixes = [...entries.values()]
    .filter(({ name }) => isPrefix(name))
    .sort((a, b) => b.name.length - a.name.length);

  const find = (model: string): FoundPrice | undefined => {
    if (model.length > modelNameLengthMax) return undefined;
    const names = spellingsOf(model.toLowerCase());
    return firstOf(names) ?? longer(firstOf(names.flatMap(basesOf)), prefixOf(names));
  };
  const firstOf = (names: readonly string[]): FoundPrice | undefined =>
    names.filter((name) => !isPrefix(name)).flatMap((name) => entries.get(name) ?? [])[0];
  const prefixOf = (names: readonly string[]): FoundPrice | undefined =>
    prefixes.find(({ name: prefix }) => names.some((name) => name.startsWith(prefix.slice(0, -1))));

  return {
    find,
    priceOf: (model) => find(model)?.price,
    entries: [...entries.values()],
    tableDate: tables.at(-1)?.date,
  };
}

/** Whether a name of a table stands for all that begin so. */
export function isPrefix(name: string): boolean {
  return name.endsWith("*");
}

// A router names whose model it is; Gemini's own names begin with `models/`.
const vendor = /^(?:openai|anthropic|google|models|mistralai|deepseek|x-ai|xai)\//;
const date =
  /-20\d\d(?:-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])|(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))$/;

function spellingsOf(name: string): readonly string[] {
  const bare = name.replace(vendor, "");
  return bare === name ? [name] : [name, bare];
}

/** Longest first. */
function basesOf(name: string): readonly string[] {
  const tuned = /^ft:[^:]+/.exec(name)?.[0];
  return (tuned === undefined ? [name] : [tuned]).flatMap((base) => [base, base.replace(date, "")]);
}

function longer(base: FoundPrice | undefined, prefix: FoundPrice | undefined): FoundPrice | undefined {
  if (base === undefined || prefix === undefined) return base ?? prefix;
  return prefix.name.length - 1 > base.name.length ? prefix : base;
}
