import type { BudgetPeriod } from "./limits.ts";

/** A stretch of time, ms since the epoch: `startMs` belongs to it, `endMs` does not. */
export interface Span {
  readonly startMs: number;
  readonly endMs: number;
}

/** Where `total` ends: the last moment of a Date. */
const forever = 8_640_000_000_000_000;
const dayMs = 86_400_000;
/** The first Monday of the epoch is its fourth day. */
const firstMondayMs = 4 * dayMs;
const weekMs = 7 * dayMs;

/** The period of a budget that this moment lies in, by UTC; `total` is all time. */
export function periodAt(period: BudgetPeriod, atMs: number): Span {
  switch (period) {
    case "total":
      return { startMs: 0, endMs: forever };
    case "day": {
      const startMs = Math.floor(atMs / dayMs) * dayMs;
      return { startMs, endMs: startMs + dayMs };
    }
    case "week": {
      const startMs = Math.floor((atMs - firstMondayMs) / weekMs) * weekMs + firstMondayMs;
      return { startMs, endMs: startMs + weekMs };
    }
    case "month": {
      const at = new Date(atMs);
      const [year, month] = [at.getUTCFullYear(), at.getUTCMonth()];
      return { startMs: Date.UTC(year, month, 1), endMs: Date.UTC(year, month + 1, 1) };
    }
  }
}
