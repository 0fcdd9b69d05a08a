import { divideUp } from "./money.ts";
import type { ServiceTier, Usage } from "./usage.ts";

/** Of what a price is the price: a unit, and how many make the amount that is paid for. */
const unitsPerPrice = {
  input: 1_000_000n,
  cachedInput: 1_000_000n,
  cacheWrite: 1_000_000n,
  cacheWriteHour: 1_000_000n,
  audioInput: 1_000_000n,
  output: 1_000_000n,
  audioOutput: 1_000_000n,
  /** Pictures, one by one. */
  images: 1n,
  /** Milliseconds of a minute. */
  audioMs: 60_000n,
  characters: 1_000_000n,
  webSearches: 1000n,
} as const;

/** Something that has a price of its own. */
export type Priced = keyof typeof unitsPerPrice;

/** Nano-dollars for a million tokens or characters, a picture, a minute of audio, a thousand searches. */
export type Rates = Readonly<Partial<Record<Priced, bigint>>>;

/** What holds for short and for long requests of one service tier. */
export interface Band {
  readonly short: Rates;
  /** The same as `short` where length makes no difference. */
  readonly long: Rates;
}

/** What a model costs. */
export interface Price {
  /** Requests with more input tokens than this are long; undefined: none is. */
  readonly longAboveTokens: number | undefined;
  readonly bands: { readonly standard: Band } & Readonly<Partial<Record<ServiceTier, Band>>>;
  /** The most input that the model reads at once, its context window; undefined where that is not known. */
  readonly inputTokensMax: number | undefined;
  /** The most tokens of one answer that are paid; undefined where that is not known. */
  readonly outputTokensMax: number | undefined;
}

/** What was used and has no price: a part of the usage, or the service tier as a whole. */
export type Unpriced = Priced | "tier";

/** What one request costs, and how that is known. */
export interface Cost {
  /** Rounded up once, at the end; null where nothing tells it. */
  readonly costNanoUsd: bigint | null;
  readonly basis: "table" | "reported" | "none";
  /** What the price says nothing about, so that the cost may be too low. */
  readonly unpriced: readonly Unpriced[];
}

/** The most of each that one request can use. Not given: none of it. */
export type UsageBounds = Readonly<
  Partial<Pick<Usage, "inputTokens" | "outputTokens" | "images" | "audioMs" | "characters" | "webSearches">>
>;

/** All prices are laid over this one denominator, so that a request is rounded once. */
const scale = 3_000_000n;

/**
 * What the usage costs at this price. The table goes before what the provider reports, which only stands in where the
 * table has no price: so what a request costs is never more than `worstCase` reserved for it.
 */
export function costOf(usage: Usage, price: Price | undefined): Cost {
  if (price === undefined) {
    const reported = usage.reportedCostNanoUsd;
    return { costNanoUsd: reported, basis: reported === null ? "none" : "reported", unpriced: [] };
  }
  const band = price.bands[usage.tier];
  const rates = ratesAt(band ?? price.bands.standard, usage.inputTokens, price);
  const quantities = quantitiesOf(usage);
  const unpriced = unpricedOf(quantities, rates);
  return {
    costNanoUsd: sum(quantities, (part) => withFallback(rates, part)),
    basis: "table",
    unpriced: band === undefined ? [...unpriced, "tier"] : unpriced,
  };
}

/**
 * The most that a request within these bounds can cost, nano-dollars: at the dearest tier, all input and output of
 * the dearest kind, long if it may be. `costOf` is never above it for usage within the bounds.
 */
export function worstCase(price: Price, bounds: UsageBounds): bigint {
  const {
    inputTokens = 0,
    outputTokens = 0,
    images = 0,
    audioMs = 0,
    characters = 0,
    webSearches = 0,
  } = bounds;
  const quantities = { input: inputTokens, output: outputTokens, images, audioMs, characters, webSearches };
  const mayBeLong = price.longAboveTokens !== undefined && inputTokens > price.longAboveTokens;
  const candidates = Object.values(price.bands).flatMap(({ short, long }) =>
    mayBeLong ? [short, long] : [short],
  );
  return candidates.map((rates) => sum(quantities, (part) => dearest(rates, part))).reduce(most);
}

type Quantities = Readonly<Partial<Record<Priced, number>>>;

/**
 * Each token once: the parts are taken out of the whole, the dearer ones first, so that a token that two parts count
 * (audio from the cache) is paid at the higher price. A whole that is less than its parts was reported wrongly.
 */
function quantitiesOf(usage: Usage): Quantities {
  const { cachedInputTokens, cacheWriteTokens, cacheWriteHourTokens, audioInputTokens, audioOutputTokens } =
    usage;
  const throughCache = cachedInputTokens + cacheWriteTokens + cacheWriteHourTokens;
  const input = shareOut(Math.max(usage.inputTokens, throughCache, audioInputTokens), {
    cacheWriteHour: cacheWriteHourTokens,
    cacheWrite: cacheWriteTokens,
    audioInput: audioInputTokens,
    cachedInput: cachedInputTokens,
  });
  const output = shareOut(Math.max(usage.outputTokens, audioOutputTokens), {
    audioOutput: audioOutputTokens,
  });
  const { images, audioMs, characters, webSearches } = usage;
  return {
    ...input.parts,
    input: input.rest,
    ...output.parts,
    output: output.rest,
    images,
    audioMs,
    characters,
    webSearches,
  };
}

function shareOut(whole: number, parts: Quantities): { readonly parts: Quantities; readonly rest: number } {
  let rest = whole;
  const taken = Object.entries(parts).map(([part, count]) => {
    const share = Math.min(count, rest);
    rest -= share;
    return [part, share] as const;
  });
  return { parts: Object.fromEntries(taken), rest };
}

/**
 * Tokens, pictures, minutes and characters are ways to count the same work: where one way is paid, another without a
 * price is no gap. A cached token at the full price is none either; what else falls back may have cost more.
 */
function unpricedOf(quantities: Quantities, rates: Rates): Unpriced[] {
  const isUsed = (part: Priced): boolean => (quantities[part] ?? 0) > 0;
  const isPaid = (part: Priced): boolean => isUsed(part) && rates[part] !== undefined;
  const paysTokens = [...kinds.input, ...kinds.output].some(isPaid);
  const paysOthers = otherWays.some(isPaid);
  return (Object.keys(unitsPerPrice) as Priced[]).filter((part) => {
    if (!isUsed(part) || rates[part] !== undefined) return false;
    if (part === "webSearches") return true;
    if (otherWays.includes(part)) return !paysTokens;
    if (paysOthers) return false;
    return (part !== "cachedInput" && part !== "cacheWrite") || rates.input === undefined;
  });
}

function ratesAt({ short, long }: Band, inputTokens: number, { longAboveTokens }: Price): Rates {
  return longAboveTokens !== undefined && inputTokens > longAboveTokens ? long : short;
}

/** What a part costs that has no price of its own. */
const fallbacks: Readonly<Partial<Record<Priced, Priced>>> = {
  cachedInput: "input",
  cacheWrite: "input",
  cacheWriteHour: "cacheWrite",
  audioInput: "input",
  audioOutput: "output",
};

function withFallback(rates: Rates, part: Priced): bigint {
  const fallback = fallbacks[part];
  return rates[part] ?? (fallback === undefined ? 0n : withFallback(rates, fallback));
}

/** What the tokens of a whole may be. */
const kinds = {
  input: ["input", "cachedInput", "cacheWrite", "cacheWriteHour", "audioInput"],
  output: ["output", "audioOutput"],
} as const;

/** Ways to count a request other than by tokens. */
const otherWays: readonly Priced[] = ["images", "audioMs", "characters"];

function dearest(rates: Rates, part: Priced): bigint {
  const parts: readonly Priced[] = part === "input" || part === "output" ? kinds[part] : [part];
  return parts.map((kind) => withFallback(rates, kind)).reduce(most);
}

function sum(quantities: Quantities, rateOf: (part: Priced) => bigint): bigint {
  let scaled = 0n;
  for (const [part, count] of Object.entries(quantities) as [Priced, number][]) {
    if (count > 0) scaled += BigInt(count) * rateOf(part) * (scale / unitsPerPrice[part]);
  }
  return divideUp(scaled, scale);
}

function most(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
