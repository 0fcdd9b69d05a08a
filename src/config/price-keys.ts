import { formatUsd } from "../usage/money.ts";
import type { Band, Price, Priced, Rates } from "../usage/price.ts";

/** Each price of a model by its key in a price file; the unit is in the key. */
export const priceKeys = {
  input_usd_per_mtok: "input",
  cached_input_usd_per_mtok: "cachedInput",
  cache_write_usd_per_mtok: "cacheWrite",
  cache_write_1h_usd_per_mtok: "cacheWriteHour",
  output_usd_per_mtok: "output",
  audio_input_usd_per_mtok: "audioInput",
  audio_output_usd_per_mtok: "audioOutput",
  image_usd_each: "images",
  audio_usd_per_minute: "audioMs",
  characters_usd_per_million: "characters",
  web_searches_usd_per_thousand: "webSearches",
} as const satisfies Readonly<Record<string, Priced>>;

/** A key of `priceKeys`. */
export type PriceKey = keyof typeof priceKeys;

/** The keys, in the order of the table. */
export const priceKeyNames = Object.keys(priceKeys) as readonly PriceKey[];

/** The service tiers that may have prices of their own. */
export const tierNames = ["batch", "flex", "priority"] as const;

/** A price in the words of a file. */
export interface DescribedPrice {
  readonly [key: string]: string | DescribedPrice;
}

/** Undoes the reading of a price. Every price of every tier is spelled out, multipliers are multiplied out. */
export function describePrice({
  bands,
  longAboveTokens,
  inputTokensMax,
  outputTokensMax,
}: Price): DescribedPrice {
  const describe = ({ short, long }: Band): DescribedPrice => ({
    ...describeRates(short),
    ...(longAboveTokens === undefined || short === long
      ? {}
      : { long_context: { above_input_tokens: String(longAboveTokens), ...describeRates(long) } }),
  });
  const tiers = tierNames.flatMap((tier) => {
    const band = bands[tier];
    return band === undefined ? [] : [[tier, describe(band)] as const];
  });
  return {
    ...describe(bands.standard),
    ...Object.fromEntries(tiers),
    ...(inputTokensMax === undefined ? {} : { max_input_tokens: String(inputTokensMax) }),
    ...(outputTokensMax ? { max_output_tokens: String(outputTokensMax) } : {}),
  };
}

function describeRates(rates: Rates): Readonly<Record<string, string>> {
  const known = priceKeyNames.flatMap((key) => {
    const rate = rates[priceKeys[key]];
    return rate === undefined ? [] : [[key, formatUsd(rate)] as const];
  });
  return Object.fromEntries(known);
}
