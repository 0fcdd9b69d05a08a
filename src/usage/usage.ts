/**
 * What one request used, by kind. All counts are whole and at least 0. What is part of what is the same for every
 * provider, whatever its own fields mean (docs/usage.md): `cached…` and `cacheWrite…` are parts of the input, so is
 * `audioInputTokens`; `reasoningTokens` and `audioOutputTokens` are parts of the output.
 */
export interface Usage {
  /** All input, what came from a cache and what was written to one included. */
  readonly inputTokens: number;
  readonly cachedInputTokens: number;
  /** Written to the provider's cache for five minutes, or for a time it does not tell. */
  readonly cacheWriteTokens: number;
  /** Written to it for an hour. */
  readonly cacheWriteHourTokens: number;
  readonly audioInputTokens: number;
  /** All output, reasoning and audio included. */
  readonly outputTokens: number;
  readonly reasoningTokens: number;
  readonly audioOutputTokens: number;
  /** Pictures that were made. */
  readonly images: number;
  /** Length of audio that is paid by time, ms. */
  readonly audioMs: number;
  /** Characters of text that is paid by them (speech). */
  readonly characters: number;
  /** Searches the provider made on the web and bills apart. */
  readonly webSearches: number;
  /** How it was served, as far as that makes a price. */
  readonly tier: ServiceTier;
  /** What the provider itself says it costs, nano-dollars (OpenRouter); null where it says nothing. */
  readonly reportedCostNanoUsd: bigint | null;
  readonly source: "reported" | "estimated";
}

export type ServiceTier = "standard" | "batch" | "flex" | "priority";

/** Nothing used, reported: what the counts of a reader are laid over. */
export const noUsage: Usage = {
  inputTokens: 0,
  cachedInputTokens: 0,
  cacheWriteTokens: 0,
  cacheWriteHourTokens: 0,
  audioInputTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
  audioOutputTokens: 0,
  images: 0,
  audioMs: 0,
  characters: 0,
  webSearches: 0,
  tier: "standard",
  reportedCostNanoUsd: null,
  source: "reported",
};
