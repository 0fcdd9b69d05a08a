import type { Metered } from "../usage/record.ts";
import { noUsage, type ServiceTier, type Usage } from "../usage/usage.ts";
import type { Value } from "./database.ts";

/** The counts, each in a column of its own. */
const counts = {
  inputTokens: "input_tokens",
  cachedInputTokens: "cached_input_tokens",
  cacheWriteTokens: "cache_write_tokens",
  cacheWriteHourTokens: "cache_write_hour_tokens",
  audioInputTokens: "audio_input_tokens",
  outputTokens: "output_tokens",
  reasoningTokens: "reasoning_tokens",
  audioOutputTokens: "audio_output_tokens",
  images: "images",
  audioMs: "audio_ms",
  characters: "characters",
  webSearches: "web_searches",
} as const satisfies Partial<Record<keyof Usage, string>>;

type CountName = keyof typeof counts;
const countNames = Object.keys(counts) as CountName[];

/** What a row has beside these keeps null where the usage is not known, and says so by `input_tokens`. */
export interface MeteredRow extends Record<(typeof counts)[CountName], number | null> {
  model: string;
  answered_model: string;
  service_tier: ServiceTier;
  is_estimated: number;
  reported_cost_nano_usd: number | bigint | null;
  also_billed: string;
  usage_raw: string;
}

/** In the order of `meteredValues`. */
export const meteredColumns: readonly string[] = [
  "model",
  "answered_model",
  ...Object.values(counts),
  "service_tier",
  "is_estimated",
  "reported_cost_nano_usd",
  "also_billed",
  "usage_raw",
];

export function meteredValues({ model, answeredModel, usage, alsoBilled, usageRaw }: Metered): Value[] {
  const { tier, source, reportedCostNanoUsd } = usage ?? noUsage;
  return [
    model,
    answeredModel,
    ...countNames.map((name) => (usage === null ? (name === "inputTokens" ? null : 0) : whole(usage[name]))),
    tier,
    source === "estimated" ? 1 : 0,
    reportedCostNanoUsd,
    JSON.stringify(alsoBilled),
    usageRaw,
  ];
}

export function toMetered(row: MeteredRow): Metered {
  return {
    model: row.model,
    answeredModel: row.answered_model,
    usage: row.input_tokens === null ? null : toUsage(row),
    usageRaw: row.usage_raw,
    alsoBilled: JSON.parse(row.also_billed) as string[],
  };
}

function toUsage(row: MeteredRow): Usage {
  const each = countNames.map((name) => [name, row[counts[name]] ?? 0] as const);
  const cost = row.reported_cost_nano_usd;
  return {
    ...noUsage,
    ...(Object.fromEntries(each) as Record<CountName, number>),
    tier: row.service_tier,
    reportedCostNanoUsd: cost === null ? null : BigInt(cost),
    source: row.is_estimated === 1 ? "estimated" : "reported",
  };
}

/** A value the column takes whatever came: one odd record must not hold up the batch it is in, again and again. */
export function whole(value: number): number {
  return Number.isFinite(value) ? Math.round(value) : 0;
}
