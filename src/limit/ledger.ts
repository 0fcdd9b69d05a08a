import type { Result } from "../result.ts";
import type { UsageRecord } from "../usage/record.ts";
import type { Bound, LimitHit } from "./limits.ts";

/** What is written of a request before it is sent, so that it is found again whatever happens. */
export interface Admission {
  /** Unlike any other; the id of the request may come twice, as callers choose it. */
  readonly entryId: string;
  readonly requestId: string;
  /** ms since the epoch. */
  readonly atMs: number;
  readonly projectId: string;
  readonly tokenId: string;
  readonly provider: string;
  readonly method: string;
  readonly path: string;
  /** The model asked for; empty where none was named. */
  readonly model: string;
  /** The token and its project, with their limits. */
  readonly bounds: readonly Bound[];
  /** To be set aside of each budget. */
  readonly reserve: bigint;
}

/** What the ledger gave. */
export interface Admitted {
  /** Of the tighter `max_requests`; undefined where there is none. */
  readonly remainingRequests: number | undefined;
  /** Of the tighter budget, without what is set aside; undefined where there is none. */
  readonly remainingNanoUsd: bigint | undefined;
  readonly reservedNanoUsd: bigint;
}

/** Why it gave nothing; for a budget with what was wanted and what is left. */
export interface LedgerRefusal extends LimitHit {
  readonly neededNanoUsd?: bigint;
  readonly leftNanoUsd?: bigint;
}

/** The end of a request, as it is booked. */
export interface Settlement {
  readonly record: UsageRecord;
  /** Of its admission, which is closed once; null where it was not admitted. */
  readonly entryId: string | null;
  /** The provider was never reached: the request counts for no limit. */
  readonly isRefunded: boolean;
}

/**
 * The books: who may still spend, and what was spent. Every list is one transaction, so that what is admitted at once
 * shares a commit. Exact for any number of processes on one database. Driver faults are thrown.
 */
export interface LedgerRepository {
  /** Admits each in turn, or tells why not; what one is refused costs nothing. */
  admit(admissions: readonly Admission[]): Promise<Result<Admitted, LedgerRefusal>[]>;
  /** Books each that was not booked before; gives the number of those that somebody else had closed. */
  settle(settlements: readonly Settlement[]): Promise<number>;
  /** Tells that this process is alive, and closes what dead ones left open; gives the number of those. */
  keepAlive(nowMs: number): Promise<number>;
  /** Tells that this process ends. What it could not book is left for the next one to close. */
  leave(): Promise<void>;
}
