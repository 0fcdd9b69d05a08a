import type { Clock } from "../clock.ts";
import type { Listed, Page } from "../page.ts";
import type { AuditAction, AuditDetails, AuditEntry, AuditOutcome, Caller } from "./entry.ts";
import type { AuditFilter, AuditRepository, AuditSink } from "./repository.ts";

/** What a step knows beyond who asks. */
export interface AuditFacts {
  readonly projectId?: string;
  readonly tokenId?: string;
  readonly reason?: string;
  readonly details?: AuditDetails;
}

export interface Audit {
  /** Puts one line in the queue; never waits and never throws. */
  record(action: AuditAction, outcome: AuditOutcome, caller: Caller, facts?: AuditFacts): void;
  /** undefined where entries are not kept in the database. */
  readonly trail: AuditTrail | undefined;
  /** Resolves when all that was recorded so far has been written, or was counted as failed. */
  flush(): Promise<void>;
}

/** The readable side; what was recorded before a call is in its answer. */
export interface AuditTrail {
  list(filter: AuditFilter, page: Page): Promise<Listed<AuditEntry>>;
  find(id: string): Promise<AuditEntry | undefined>;
}

interface AuditDeps {
  /** Each gets every entry; one that fails does not stop the other. Empty: audit is off. */
  readonly sinks: readonly AuditSink[];
  readonly repository: AuditRepository | undefined;
  readonly clock: Clock;
  readonly newId: () => string;
  /** Told how many entries a sink could not keep. */
  readonly onFailure: (sink: string, entries: number, error: unknown) => void;
}

/** Entries that may wait for a sink that stalls; what comes on top is counted as failed. */
const queuedEntriesMax = 10_000;

/** The audit trail: one queue, written in order, in batches, off the path of the request. */
export function createAudit(deps: AuditDeps): Audit {
  let queue: AuditEntry[] = [];
  let writing: Promise<void> | undefined;

  async function writeAll(): Promise<void> {
    while (queue.length > 0) {
      const batch = queue;
      queue = [];
      await Promise.all(
        deps.sinks.map((sink) =>
          sink.append(batch).catch((error: unknown) => deps.onFailure(sink.name, batch.length, error)),
        ),
      );
    }
    writing = undefined;
  }

  /** Starts a turn later, so that entries made in the same turn share a batch. */
  function flush(): Promise<void> {
    if (queue.length === 0 && writing === undefined) return Promise.resolve();
    writing ??= Promise.resolve().then(writeAll);
    return writing;
  }

  const { repository } = deps;
  return {
    record(action, outcome, caller, facts = {}) {
      if (deps.sinks.length === 0) return;
      if (queue.length >= queuedEntriesMax) {
        for (const sink of deps.sinks) deps.onFailure(sink.name, 1, new Error("the audit queue is full"));
        return;
      }
      queue.push({
        ...caller,
        id: deps.newId(),
        atMs: deps.clock.now(),
        action,
        outcome,
        projectId: facts.projectId ?? "",
        tokenId: facts.tokenId ?? "",
        reason: facts.reason ?? "",
        details: { ...caller.details, ...facts.details },
      });
      void flush();
    },
    trail: repository && {
      list: async (filter, page) => {
        await flush();
        return repository.list(filter, page);
      },
      find: async (id) => {
        await flush();
        return repository.find(id);
      },
    },
    flush,
  };
}
