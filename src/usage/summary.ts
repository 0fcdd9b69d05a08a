import type { Outcome } from "./record.ts";

/** What usage can be grouped by. */
export const usageGroups = ["project", "token", "model", "provider", "outcome", "hour", "day"] as const;
export type UsageGroup = (typeof usageGroups)[number];

/** Which usage is summed. */
export interface SummaryFilter {
  readonly projectId?: string;
  readonly tokenId?: string;
  readonly model?: string;
  readonly provider?: string;
  readonly outcome?: Outcome;
  /** ms since the epoch; the hour that it lies in is the first. */
  readonly fromMs?: number;
  /** The hour that it lies in is the last, unless this is its very beginning. */
  readonly toMs?: number;
}

/** The sums of one group; of what it is grouped by, the values. */
export interface UsageSums {
  readonly projectId?: string;
  readonly tokenId?: string;
  readonly model?: string;
  readonly provider?: string;
  readonly outcome?: Outcome;
  /** Beginning of the hour or day, UTC, ms since the epoch. */
  readonly startMs?: number;
  readonly requests: number;
  /** Of these: whose provider reported nothing. */
  readonly estimatedRequests: number;
  /** Of these: that have usage and no price. */
  readonly unpricedRequests: number;
  readonly inputTokens: number;
  readonly cachedInputTokens: number;
  readonly cacheWriteTokens: number;
  readonly audioInputTokens: number;
  readonly outputTokens: number;
  readonly reasoningTokens: number;
  readonly audioOutputTokens: number;
  readonly images: number;
  readonly audioMs: number;
  readonly characters: number;
  readonly webSearches: number;
  readonly costNanoUsd: bigint;
}

/** Reads the sums that are kept by hour and day. */
export interface UsageSummary {
  /** In order of time, then the dearest first; at most `limit`. */
  sum(filter: SummaryFilter, groups: readonly UsageGroup[], limit: number): Promise<readonly UsageSums[]>;
}
