import type { Listed, Page } from "../page.ts";
import type { UsageRecord } from "./record.ts";

export interface UsageFilter {
  readonly projectId?: string;
  readonly tokenId?: string;
  readonly requestId?: string;
  readonly provider?: string;
  readonly outcome?: string;
  readonly status?: number;
  /** Inclusive, ms since the epoch. */
  readonly startMs?: number;
  readonly endMs?: number;
}

/** What one flush writes: rows, and how often each token without a limit was used since the last one. */
export interface UsageBatch {
  readonly records: readonly UsageRecord[];
  readonly counts: ReadonlyMap<string, { readonly requests: number; readonly lastUsedAtMs: number }>;
}

/** Storage of usage records. Newest first. Driver faults are thrown. */
export interface UsageRepository {
  /** One transaction. */
  append(batch: UsageBatch): Promise<void>;
  list(filter: UsageFilter, page: Page): Promise<Listed<UsageRecord>>;
  find(requestId: string): Promise<UsageRecord | undefined>;
  /** Deletes rows older than `beforeMs`, at most `limit` at once; says how many. */
  deleteBefore(beforeMs: number, limit: number): Promise<number>;
}
