import type { Bound } from "../limit/limits.ts";
import { periodAt, type Span } from "../limit/period.ts";
import type { UsageRecord } from "../usage/record.ts";
import type { Transaction } from "./database.ts";

/** What is left of a budget, in the period of a request. */
export interface Left {
  /** Not spent and not set aside; below 0 where the budget was lowered. */
  readonly nanoUsd: bigint;
  /** Set aside by requests under way. */
  readonly reservedNanoUsd: bigint;
  readonly endMs: number;
}

const owners = { token: "token_id", project: "project_id" } as const;

/** What this bound's budget has left, where it has one. */
export function budgetLeft(transaction: Transaction, bound: Bound, atMs: number): Left | undefined {
  const { budgetNanoUsd, budgetPeriod } = bound.limits;
  if (budgetNanoUsd === null) return undefined;
  const span = periodAt(budgetPeriod, atMs);
  const known = transaction.first<{ spent_nano_usd: number | bigint }>(
    "SELECT spent_nano_usd FROM budgets WHERE scope_id = ? AND period = ? AND start_at = ?",
    [bound.id, budgetPeriod, span.startMs],
  );
  const spent = known === undefined ? begin(transaction, bound, span) : BigInt(known.spent_nano_usd);
  const reserved = sumOf(
    transaction.first(
      `SELECT SUM(reserved_nano_usd) AS sum FROM open_requests WHERE ${owners[bound.scope]} = ? AND reserved_nano_usd > 0`,
      [bound.id],
    ),
  );
  return { nanoUsd: budgetNanoUsd - spent - reserved, reservedNanoUsd: reserved, endMs: span.endMs };
}

/** The first request of a period: what was spent in it before there was a budget counts, too. */
function begin(transaction: Transaction, { scope, id, limits }: Bound, span: Span): bigint {
  const spent = sumOf(
    transaction.first(
      `SELECT SUM(cost_nano_usd) AS sum FROM usage_days WHERE ${owners[scope]} = ? AND start_at >= ? AND start_at < ?`,
      [id, span.startMs, span.endMs],
    ),
  );
  transaction.run(
    "INSERT INTO budgets (scope_id, period, start_at, end_at, spent_nano_usd) VALUES (?, ?, ?, ?, ?)",
    [id, limits.budgetPeriod, span.startMs, span.endMs, spent],
  );
  return spent;
}

/** Charges each record to the periods that it lies in, whichever budgets there are. */
export function chargeBudgets(transaction: Transaction, records: readonly UsageRecord[]): void {
  for (const { projectId, tokenId, atMs, costNanoUsd } of records) {
    if (costNanoUsd === null || costNanoUsd === 0n) continue;
    for (const id of [tokenId, projectId])
      transaction.run(
        "UPDATE budgets SET spent_nano_usd = spent_nano_usd + ? WHERE scope_id = ? AND start_at <= ? AND end_at > ?",
        [costNanoUsd, id, atMs, atMs],
      );
  }
}

function sumOf(row: { readonly sum: number | bigint | null } | undefined): bigint {
  return BigInt(row?.sum ?? 0);
}
