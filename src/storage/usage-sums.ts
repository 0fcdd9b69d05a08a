import type { UsageRecord } from "../usage/record.ts";
import type { Transaction, Value } from "./database.ts";

/** What is summed by hour and day, and which part of a record adds to it. */
const sums = {
  requests: () => 1,
  estimated_requests: ({ usage }) => (usage?.source === "estimated" ? 1 : 0),
  unpriced_requests: ({ usage, costNanoUsd }) => (usage && costNanoUsd === null ? 1 : 0),
  input_tokens: ({ usage }) => usage?.inputTokens,
  cached_input_tokens: ({ usage }) => usage?.cachedInputTokens,
  cache_write_tokens: ({ usage }) => usage && usage.cacheWriteTokens + usage.cacheWriteHourTokens,
  audio_input_tokens: ({ usage }) => usage?.audioInputTokens,
  output_tokens: ({ usage }) => usage?.outputTokens,
  reasoning_tokens: ({ usage }) => usage?.reasoningTokens,
  audio_output_tokens: ({ usage }) => usage?.audioOutputTokens,
  images: ({ usage }) => usage?.images,
  audio_ms: ({ usage }) => usage?.audioMs,
  characters: ({ usage }) => usage?.characters,
  web_searches: ({ usage }) => usage?.webSearches,
  cost_nano_usd: ({ costNanoUsd }) => costNanoUsd ?? 0n,
} satisfies Record<string, (record: UsageRecord) => number | bigint | null | undefined>;

/** The columns that hold sums, in the order of their values. */
export const sumColumns = Object.keys(sums) as readonly (keyof typeof sums)[];
/** The columns that a row is told by, after its time. */
const keyColumns = ["project_id", "token_id", "provider", "model", "outcome"] as const;

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
/** The tables of sums, with the time that one row of it stands for. */
export const sumTables = { usage_hours: hourMs, usage_days: dayMs } as const;

type SumTable = keyof typeof sumTables;
const tableNames = Object.keys(sumTables) as SumTable[];

interface Row {
  readonly key: readonly Value[];
  readonly sums: bigint[];
}

/** Adds the records to the sums of their hour and day: records that belong together cost one statement a table. */
export function addToSums(transaction: Transaction, records: readonly UsageRecord[]): void {
  for (const table of tableNames) {
    const rows = new Map<string, Row>();
    for (const record of records) add(rows, record, sumTables[table]);
    for (const row of rows.values()) transaction.run(upserts[table], [...row.key, ...row.sums]);
  }
}

function add(rows: Map<string, Row>, record: UsageRecord, spanMs: number): void {
  const startMs = Math.floor(record.atMs / spanMs) * spanMs;
  const { projectId, tokenId, provider, model, outcome } = record;
  const key = [startMs, projectId, tokenId, provider, model, outcome];
  const name = JSON.stringify(key);
  const row = rows.get(name) ?? { key, sums: sumColumns.map(() => 0n) };
  for (const [index, column] of sumColumns.entries())
    row.sums[index] = (row.sums[index] ?? 0n) + BigInt(sums[column](record) ?? 0);
  rows.set(name, row);
}

function upsertSql(table: SumTable): string {
  const columns = ["start_at", ...keyColumns, ...sumColumns];
  const more = sumColumns.map((column) => `${column} = ${column} + excluded.${column}`);
  return `INSERT INTO ${table} (${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})
    ON CONFLICT (start_at, ${keyColumns.join(", ")}) DO UPDATE SET ${more.join(", ")}`;
}

const upserts = { usage_hours: upsertSql("usage_hours"), usage_days: upsertSql("usage_days") };
