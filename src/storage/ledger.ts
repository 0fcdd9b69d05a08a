import type { Admission, Admitted, LedgerRefusal, LedgerRepository, Settlement } from "../limit/ledger.ts";
import type { Result } from "../result.ts";

/** The ledger as requests see it: what comes at once shares a commit. */
export interface Ledger {
  /** Resolves when it is written, or refused. @throws what the database throws: then nothing was written of it */
  admit(admission: Admission): Promise<Result<Admitted, LedgerRefusal>>;
  /** Never waits, never throws: it is written within 50 ms, or as soon as the database lets it. */
  settle(settlement: Settlement): void;
  /** Resolves when all that was settled so far is written, or could not be for now. */
  flush(): Promise<void>;
  /** Writes the rest. What cannot be written stays open in the database, and is closed by the next process. */
  stop(): Promise<void>;
}

/** Runs `work` once after `delayMs` unless the result is called before. */
type Schedule = (work: () => void, delayMs: number) => () => void;

interface LedgerDeps {
  readonly repository: LedgerRepository;
  /** Settlements that may wait of requests that were not admitted; what comes on top is dropped. */
  readonly waitingMax: number;
  readonly onFlushFailed: (error: unknown) => void;
  readonly onDropped: (records: number) => void;
  readonly schedule?: Schedule;
}

/** Records in one transaction: a few milliseconds. */
const batchMax = 500;
/** Settlements that are written at once without waiting for the timer. */
const batchFull = 100;
const flushDelayMs = 40;
const retryDelayMsMax = 10_000;

interface Waiting<T> {
  readonly item: T;
  readonly resolve: (value: Result<Admitted, LedgerRefusal>) => void;
  readonly reject: (error: unknown) => void;
}

/** Puts together what comes in one turn of the event loop (admissions) or in 40 ms (settlements). */
export function createLedger(deps: LedgerDeps): Ledger {
  const admit = createAdmissions(deps.repository);
  const { repository, waitingMax, schedule = scheduleUnref } = deps;
  let waiting: Settlement[] = [];
  let inFlight: readonly Settlement[] = [];
  let failures = 0;
  let cancelTimer: (() => void) | undefined;
  let flushing: Promise<void> | undefined;

  function plan(): void {
    if (flushing !== undefined) return; // it plans the next one when it ends
    if (failures === 0 && waiting.length >= batchFull) {
      void flush();
      return;
    }
    const delayMs = Math.min(flushDelayMs * 2 ** failures, retryDelayMsMax);
    cancelTimer ??= schedule(() => void flush(), delayMs);
  }

  async function writeAll(): Promise<void> {
    cancelTimer?.();
    cancelTimer = undefined;
    // What comes meanwhile is for the next time, or this one would not end under load.
    let left = waiting.length;
    do {
      await new Promise(setImmediate); // requests come first
      left -= batchMax;
    } while ((await writeBatch(left + batchMax)) && left > 0);
    flushing = undefined;
    if (waiting.length > 0) plan();
  }

  async function writeBatch(most: number): Promise<boolean> {
    const batch = waiting.splice(0, Math.min(most, batchMax));
    inFlight = batch;
    try {
      await repository.settle(batch);
      failures = 0;
      return true;
    } catch (error) {
      failures += 1;
      waiting = [...batch, ...waiting];
      deps.onFlushFailed(error);
      return false;
    } finally {
      inFlight = [];
    }
  }

  function flush(): Promise<void> {
    if (flushing === undefined && waiting.length > 0) flushing = writeAll();
    return flushing ?? Promise.resolve();
  }

  return {
    /** What has just ended may still be counted: before a limit refuses, it is booked. */
    async admit(admission) {
      const first = await admit(admission);
      if (first.ok || waiting.length + inFlight.length === 0) return first;
      await flush();
      return admit(admission);
    },
    settle(settlement) {
      // Of admitted requests there are no more than were open; a flood of refusals must not push them out.
      const hasRoom = settlement.entryId !== null || waiting.length + inFlight.length < waitingMax;
      if (hasRoom) waiting.push(settlement);
      else deps.onDropped(1);
      // What is given back has to be there for the next request.
      if (settlement.isRefunded && failures === 0) void flush();
      else plan();
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

function createAdmissions(repository: LedgerRepository) {
  const waiting: Waiting<Admission>[] = [];

  async function write(): Promise<void> {
    const batch = waiting.splice(0, batchMax);
    if (waiting.length > 0) setImmediate(write);
    try {
      const results = await repository.admit(batch.map(({ item }) => item));
      for (const [index, { resolve }] of batch.entries()) {
        const result = results[index];
        if (result !== undefined) resolve(result);
      }
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }

  return (item: Admission): Promise<Result<Admitted, LedgerRefusal>> =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      if (waiting.length === 1) setImmediate(write);
    });
}

function scheduleUnref(work: () => void, delayMs: number): () => void {
  const timer = setTimeout(work, delayMs);
  timer.unref();
  return () => clearTimeout(timer);
}
