import type { Admission, Admitted, LedgerRefusal, LedgerRepository, Settlement } from "../limit/ledger.ts";
import type { Bound } from "../limit/limits.ts";
import { fail, ok, type Result } from "../result.ts";
import { budgetLeft, chargeBudgets, type Left } from "./budget-rows.ts";
import type { Database, Transaction } from "./database.ts";
import { closeLost, type Node, signNode } from "./nodes.ts";
import { insertUsageRecord } from "./usage-repository.ts";
import { addToSums } from "./usage-sums.ts";

const tables = { token: "tokens", project: "projects" } as const;
/** A budget that others have set aside may have room again any moment. */
const soonMs = 1000;

/** The ledger in the database. */
export function createLedgerRepository(database: Database, node: Node): LedgerRepository {
  let isSigned = false;
  return {
    async admit(admissions) {
      const results = await database.transact((transaction) => {
        // What nobody who is known has opened, others close.
        if (!isSigned) signNode(transaction, node, admissions[0]?.atMs ?? 0);
        return admissions.map((admission) => admit(transaction, node, admission));
      });
      isSigned = true;
      return results;
    },
    settle: (settlements) => database.transact((transaction) => settle(transaction, settlements)),
    keepAlive: (nowMs) =>
      database.transact((transaction) => {
        signNode(transaction, node, nowMs);
        const lost = closeLost(transaction, node, nowMs);
        book(transaction, lost);
        return lost.length;
      }),
    async leave() {
      // What could not be booked stays open, and the next process has to see that this one is gone.
      const sql =
        "DELETE FROM nodes WHERE id = ? AND NOT EXISTS (SELECT 1 FROM open_requests WHERE node_id = nodes.id)";
      await database.write([{ sql, values: [node.id] }]);
    },
  };
}

function admit(transaction: Transaction, node: Node, admission: Admission): Result<Admitted, LedgerRefusal> {
  const budgets = admission.bounds.flatMap((bound) => {
    const left = budgetLeft(transaction, bound, admission.atMs);
    return left === undefined ? [] : [{ bound, left }];
  });
  const reserved = reserve(admission, budgets);
  if (!reserved.ok) return reserved;
  const counted = count(transaction, admission);
  if (!counted.ok) return counted;
  transaction.run(
    `INSERT INTO open_requests (entry_id, request_id, node_id, timestamp, project_id, token_id, provider, method, path, model,
       reserved_nano_usd) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    [
      admission.entryId,
      admission.requestId,
      node.id,
      admission.atMs,
      admission.projectId,
      admission.tokenId,
      admission.provider,
      admission.method,
      admission.path,
      admission.model,
      reserved.value,
    ],
  );
  const tightest = leastOf(budgets.map(({ left }) => left.nanoUsd));
  return ok({
    remainingRequests: counted.value,
    remainingNanoUsd: tightest && tightest - reserved.value,
    reservedNanoUsd: reserved.value,
  });
}

/** What may be set aside of all budgets; nothing is written yet. */
function reserve(
  { reserve: needed, atMs }: Admission,
  budgets: readonly { readonly bound: Bound; readonly left: Left }[],
): Result<bigint, LedgerRefusal> {
  if (budgets.length === 0) return ok(0n);
  for (const { bound, left } of budgets) {
    if (needed <= left.nanoUsd || needed === 0n) continue;
    const mayFitSoon = left.reservedNanoUsd > 0n && needed <= left.nanoUsd + left.reservedNanoUsd;
    const waitMs = mayFitSoon ? soonMs : left.endMs - atMs;
    return fail({
      scope: bound.scope,
      limit: "budget",
      neededNanoUsd: needed,
      leftNanoUsd: left.nanoUsd,
      ...((mayFitSoon || bound.limits.budgetPeriod !== "total") && { retryAfterMs: waitMs }),
    });
  }
  return ok(needed);
}

/** Adds one to the token and its project, where the limit that the database has of them allows it. */
function count(
  transaction: Transaction,
  { bounds, atMs }: Admission,
): Result<number | undefined, LedgerRefusal> {
  const counted: Bound[] = [];
  const remaining: number[] = [];
  for (const bound of bounds) {
    const row = transaction.first<{ max_requests: number | null; request_count: number }>(
      counting[bound.scope],
      [...(bound.scope === "token" ? [atMs] : []), bound.id],
    );
    if (row === undefined) {
      for (const each of counted) uncount(transaction, each.scope, each.id);
      return fail({ scope: bound.scope, limit: "max_requests" });
    }
    counted.push(bound);
    if (row.max_requests !== null) remaining.push(row.max_requests - row.request_count);
  }
  return ok(remaining.length === 0 ? undefined : Math.min(...remaining));
}

const mayCount = "(max_requests IS NULL OR request_count < max_requests)";
const counting = {
  token: `UPDATE tokens SET request_count = request_count + 1, last_used_at = ? WHERE id = ? AND ${mayCount}
          RETURNING max_requests, request_count`,
  project: `UPDATE projects SET request_count = request_count + 1 WHERE id = ? AND ${mayCount}
            RETURNING max_requests, request_count`,
};

function uncount(transaction: Transaction, scope: Bound["scope"], id: string): void {
  transaction.run(
    `UPDATE ${tables[scope]} SET request_count = request_count - 1 WHERE id = ? AND request_count > 0`,
    [id],
  );
}

function settle(transaction: Transaction, settlements: readonly Settlement[]): number {
  const booked = settlements.flatMap((settlement) => {
    const { record, entryId, isRefunded } = settlement;
    if (entryId === null) return [record];
    const reserved = close(transaction, entryId);
    if (reserved === undefined) return [];
    if (isRefunded) {
      uncount(transaction, "token", record.tokenId);
      uncount(transaction, "project", record.projectId);
    }
    // Where nobody knows what it has used, it has used what was set aside.
    const isOpen = record.costNanoUsd === null && !isRefunded && reserved > 0n;
    return [isOpen ? { ...record, costNanoUsd: reserved } : record];
  });
  book(transaction, booked);
  return settlements.length - booked.length;
}

/** What the entry had set aside; undefined where it is gone: it has been booked as lost. */
function close(transaction: Transaction, entryId: string): bigint | undefined {
  const row = transaction.first<{ reserved_nano_usd: number | bigint }>(
    "DELETE FROM open_requests WHERE entry_id = ? RETURNING reserved_nano_usd",
    [entryId],
  );
  return row && BigInt(row.reserved_nano_usd);
}

function book(transaction: Transaction, records: readonly Settlement["record"][]): void {
  for (const record of records) insertUsageRecord(transaction, record);
  addToSums(transaction, records);
  chargeBudgets(transaction, records);
}

function leastOf(values: readonly bigint[]): bigint | undefined {
  return values.reduce<bigint | undefined>(
    (least, value) => (least === undefined || value < least ? value : least),
    undefined,
  );
}
