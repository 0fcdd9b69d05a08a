import type { UsageRecord } from "../usage/record.ts";
import type { UsageBatch, UsageRepository } from "../usage/repository.ts";

/** Writes usage records in batches, off the path of the request. */
export interface UsageWriter {
  /**
   * Never waits, never throws.
   * @param countsToken also adds one to the token's count: for tokens without a limit, which nothing else counts
   */
  append(record: UsageRecord, countsToken: boolean): void;
  /** Resolves when all that was appended so far is written, or could not be for now. */
  flush(): Promise<void>;
  /** Writes the rest; what cannot be written by then is counted as dropped. */
  stop(): Promise<void>;
}

/** Runs `work` once after `delayMs` unless the result is called before. */
type Schedule = (work: () => void, delayMs: number) => () => void;

interface UsageWriterDeps {
  readonly repository: Pick<UsageRepository, "append">;
  /** Records that may wait; what comes on top is dropped, yet still counts for its token (contract 3.5). */
  readonly waitingMax: number;
  readonly onFlushFailed: (error: unknown) => void;
  readonly onDropped: (records: number) => void;
  readonly schedule?: Schedule;
}

/** Records that are written at once without waiting for the timer. */
const batchRecords = 100;
/** Records in one transaction: a few milliseconds. */
const batchRecordsMax = 500;
const flushDelayMs = 250;
const retryDelayMsMax = 10_000;

type Counts = Map<string, { requests: number; lastUsedAtMs: number }>;

/** Collects until there are 100 records or 250 ms have gone by; a batch that fails is kept and tried again. */
export function createUsageWriter(deps: UsageWriterDeps): UsageWriter {
  const { repository, waitingMax, schedule = scheduleUnref } = deps;
  let waiting: UsageRecord[] = [];
  let counts: Counts = new Map();
  let inFlight = 0;
  let failures = 0;
  let cancelTimer: (() => void) | undefined;
  let flushing: Promise<void> | undefined;

  function plan(): void {
    if (flushing !== undefined) return; // it plans the next one when it ends
    if (failures === 0 && waiting.length >= batchRecords) {
      void flush();
      return;
    }
    const delayMs = Math.min(flushDelayMs * 2 ** failures, retryDelayMsMax);
    cancelTimer ??= schedule(() => void flush(), delayMs);
  }

  async function writeAll(): Promise<void> {
    cancelTimer?.();
    cancelTimer = undefined;
    do {
      await new Promise(setImmediate); // requests come first
    } while (hasWaiting() && (await writeBatch()));
    flushing = undefined;
    if (hasWaiting()) plan();
  }

  async function writeBatch(): Promise<boolean> {
    const batch: UsageBatch = { records: waiting.splice(0, batchRecordsMax), counts };
    inFlight = batch.records.length;
    counts = new Map();
    try {
      await repository.append(batch);
      failures = 0;
      return true;
    } catch (error) {
      failures += 1;
      waiting = [...batch.records, ...waiting];
      for (const [tokenId, count] of batch.counts) add(counts, tokenId, count);
      deps.onFlushFailed(error);
      return false;
    } finally {
      inFlight = 0;
    }
  }

  function hasWaiting(): boolean {
    return waiting.length > 0 || counts.size > 0;
  }

  function flush(): Promise<void> {
    if (flushing === undefined && hasWaiting()) flushing = writeAll();
    return flushing ?? Promise.resolve();
  }

  return {
    append(record, countsToken) {
      if (countsToken) add(counts, record.tokenId, { requests: 1, lastUsedAtMs: record.atMs });
      if (waiting.length + inFlight < waitingMax) waiting.push(record);
      else deps.onDropped(1);
      plan();
    },
    flush,
    async stop() {
      await flush();
      cancelTimer?.();
      if (waiting.length > 0) deps.onDropped(waiting.length);
      waiting = [];
    },
  };
}

function add(counts: Counts, tokenId: string, more: { requests: number; lastUsedAtMs: number }): void {
  const known = counts.get(tokenId);
  counts.set(tokenId, {
    requests: (known?.requests ?? 0) + more.requests,
    lastUsedAtMs: Math.max(known?.lastUsedAtMs ?? 0, more.lastUsedAtMs),
  });
}

function scheduleUnref(work: () => void, delayMs: number): () => void {
  const timer = setTimeout(work, delayMs);
  timer.unref();
  return () => clearTimeout(timer);
}
