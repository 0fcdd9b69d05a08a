import type { BudgetPeriod, Limits, UnpricedChoice } from "../limit/limits.ts";
import type { Value } from "./database.ts";

/** The limits as tokens and projects both have them. */
export interface LimitRow {
  max_requests: number | null;
  rpm: number | null;
  tpm: number | null;
  max_concurrency: number | null;
  allowed_models: string | null;
  budget_nano_usd: number | bigint | null;
  budget_period: BudgetPeriod;
  unpriced: UnpricedChoice;
}

const columns: { readonly [Key in keyof Limits]: keyof LimitRow } = {
  maxRequests: "max_requests",
  rpm: "rpm",
  tpm: "tpm",
  maxConcurrency: "max_concurrency",
  allowedModels: "allowed_models",
  budgetNanoUsd: "budget_nano_usd",
  budgetPeriod: "budget_period",
  unpriced: "unpriced",
};
const names = Object.keys(columns) as (keyof Limits)[];

/** All columns, in the order of `limitValues`. */
export const limitColumns: readonly string[] = names.map((name) => columns[name]);

export function limitValues(limits: Limits): Value[] {
  return names.map((name) => columnValue(limits, name));
}

/** `SET` of those that are given, each after a comma, and their values. */
export function setLimits(limits: Partial<Limits>): { readonly sql: string; readonly values: Value[] } {
  const given = names.filter((name) => limits[name] !== undefined);
  return {
    sql: given.map((name) => `, ${columns[name]} = ?`).join(""),
    values: given.map((name) => columnValue(limits, name)),
  };
}

function columnValue(limits: Partial<Limits>, name: keyof Limits): Value {
  if (name === "allowedModels") return limits.allowedModels ? JSON.stringify(limits.allowedModels) : null;
  return limits[name] ?? null;
}

export function toLimits(row: LimitRow): Limits {
  return {
    maxRequests: row.max_requests,
    rpm: row.rpm,
    tpm: row.tpm,
    maxConcurrency: row.max_concurrency,
    allowedModels: row.allowed_models === null ? null : (JSON.parse(row.allowed_models) as string[]),
    budgetNanoUsd: row.budget_nano_usd === null ? null : BigInt(row.budget_nano_usd),
    budgetPeriod: row.budget_period,
    unpriced: row.unpriced,
  };
}
