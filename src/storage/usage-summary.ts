import type { SummaryFilter, UsageGroup, UsageSummary, UsageSums } from "../usage/summary.ts";
import type { Database } from "./database.ts";
import { sumColumns, sumTables } from "./usage-sums.ts";
import { where } from "./where.ts";

const groupColumns: Readonly<Record<UsageGroup, string>> = {
  project: "project_id",
  token: "token_id",
  model: "model",
  provider: "provider",
  outcome: "outcome",
  hour: "start_at",
  day: "start_at",
};

type Row = Record<string, string | number | bigint>;

/** The sums in the database: those of days where they say it, else those of hours. */
export function createUsageSummary(database: Database): UsageSummary {
  return {
    async sum(filter, groups, limit) {
      const table = needsHours(filter, groups) ? "usage_hours" : "usage_days";
      const start = groups.includes("day") ? dayOf : "start_at";
      const columns = groups.map((group) => (group === "day" ? `${start} AS start_at` : groupColumns[group]));
      const by = groups.map((group) => (group === "day" ? start : groupColumns[group]));
      const { sql, values } = whereSums(filter);
      const isTimed = groups.includes("hour") || groups.includes("day");
      const rows = await database.all<Row>(
        `SELECT ${[...columns, ...sumColumns.map((column) => `SUM(${column}) AS ${column}`)].join(", ")}
         FROM ${table}${sql}${by.length === 0 ? "" : ` GROUP BY ${by.join(", ")}`}
         HAVING SUM(requests) > 0
         ORDER BY ${isTimed ? `${start}, ` : ""}SUM(cost_nano_usd) DESC, SUM(requests) DESC LIMIT ?`,
        [...values, limit],
      );
      return rows.map((row) => toSums(row, groups));
    },
  };
}

const dayOf = `start_at / ${sumTables.usage_days} * ${sumTables.usage_days}`;

function needsHours({ fromMs = 0, toMs = 0 }: SummaryFilter, groups: readonly UsageGroup[]): boolean {
  const isWholeDay = (atMs: number) => atMs % sumTables.usage_days === 0;
  return groups.includes("hour") || !isWholeDay(fromMs) || !isWholeDay(toMs);
}

function whereSums(filter: SummaryFilter) {
  const hour = sumTables.usage_hours;
  return where([
    ["project_id = ?", filter.projectId],
    ["token_id = ?", filter.tokenId],
    ["model = ?", filter.model],
    ["provider = ?", filter.provider],
    ["outcome = ?", filter.outcome],
    ["start_at >= ?", filter.fromMs === undefined ? undefined : Math.floor(filter.fromMs / hour) * hour],
    ["start_at < ?", filter.toMs],
  ]);
}

function toSums(row: Row, groups: readonly UsageGroup[]): UsageSums {
  const number = (column: (typeof sumColumns)[number]) => Number(row[column]);
  const key = Object.fromEntries(
    groups.map((group) => [keyNames[group], row[groupColumns[group]]]),
  ) as Partial<UsageSums>;
  return {
    ...key,
    requests: number("requests"),
    estimatedRequests: number("estimated_requests"),
    unpricedRequests: number("unpriced_requests"),
    inputTokens: number("input_tokens"),
    cachedInputTokens: number("cached_input_tokens"),
    cacheWriteTokens: number("cache_write_tokens"),
    audioInputTokens: number("audio_input_tokens"),
    outputTokens: number("output_tokens"),
    reasoningTokens: number("reasoning_tokens"),
    audioOutputTokens: number("audio_output_tokens"),
    images: number("images"),
    audioMs: number("audio_ms"),
    characters: number("characters"),
    webSearches: number("web_searches"),
    costNanoUsd: BigInt(row["cost_nano_usd"] ?? 0),
  };
}

const keyNames: Readonly<Record<UsageGroup, keyof UsageSums>> = {
  project: "projectId",
  token: "tokenId",
  model: "model",
  provider: "provider",
  outcome: "outcome",
  hour: "startMs",
  day: "startMs",
};
