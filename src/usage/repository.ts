import type { Listed, Page } from "../page.ts";
import type { UsageRecord } from "./record.ts";

export interface UsageFilter {
  readonly projectId?: string;
  readonly tokenId?: string;
  readonly requestId?: string;
  readonly provider?: string;
  readonly outcome?: string;
  readonly model?: string;
  readonly status?: number;
  /** Inclusive, ms since the epoch. */
  readonly startMs?: number;
  readonly endMs?: number;
}

/** Storage of usage records, which the ledger writes. Newest first. Driver faults are thrown. */
export interface UsageRepository {
  list(filter: UsageFilter, page: Page): Promise<Listed<UsageRecord>>;
  find(requestId: string): Promise<UsageRecord | undefined>;
  /** Deletes rows older than `beforeMs`, at most `limit` at once; says how many. */
  deleteBefore(beforeMs: number, limit: number): Promise<number>;
}
