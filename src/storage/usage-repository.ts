import type { Outcome, UsageRecord } from "../usage/record.ts";
import type { UsageFilter, UsageRepository } from "../usage/repository.ts";
import type { Database, Transaction } from "./database.ts";
import { type MeteredRow, meteredColumns, meteredValues, toMetered, whole } from "./usage-columns.ts";
import { slice, where } from "./where.ts";

interface UsageRow extends MeteredRow {
  cost_nano_usd: number | bigint | null;
  request_id: string;
  timestamp: number;
  project_id: string;
  token_id: string;
  provider: string;
  key_id: string;
  method: string;
  path: string;
  status: number;
  outcome: Outcome;
  error_code: string;
  is_stream: number;
  duration_ms: number;
  ttfb_ms: number | null;
  request_bytes: number;
  response_bytes: number;
}

const ownColumns = `request_id, timestamp, project_id, token_id, provider, key_id, method, path, status, outcome,
  error_code, is_stream, duration_ms, ttfb_ms, request_bytes, response_bytes, cost_nano_usd`;
const columns = [ownColumns, ...meteredColumns].join(", ");
const insertSql = `INSERT INTO usage_records (${columns}) VALUES (${columns.replace(/\w+/g, "?")})`;

/** Usage records in the database. Times and sizes are kept as whole numbers. */
export function createUsageRepository(database: Database): UsageRepository {
  return {
    async list(filter, page) {
      const { sql, values } = whereRecord(filter);
      const cut = slice(page);
      const rows = await database.all<UsageRow>(
        `SELECT ${columns} FROM usage_records${sql} ORDER BY timestamp DESC, seq DESC${cut.sql}`,
        [...values, ...cut.values],
      );
      const count = await database.first<{ total: number }>(
        `SELECT COUNT(*) AS total FROM usage_records${sql}`,
        values,
      );
      return { items: rows.map(toRecord), total: count?.total ?? 0 };
    },

    async find(requestId) {
      const row = await database.first<UsageRow>(
        `SELECT ${columns} FROM usage_records WHERE request_id = ? ORDER BY seq DESC`,
        [requestId],
      );
      return row && toRecord(row);
    },

    async deleteBefore(beforeMs, limit) {
      const [deleted = 0] = await database.write([
        {
          sql: `DELETE FROM usage_records WHERE seq IN
                  (SELECT seq FROM usage_records WHERE timestamp < ? ORDER BY timestamp LIMIT ?)`,
          values: [beforeMs, limit],
        },
      ]);
      return deleted;
    },
  };
}

/** Writes the row of a record. */
export function insertUsageRecord(transaction: Transaction, record: UsageRecord): void {
  transaction.run(insertSql, [
    record.requestId,
    record.atMs,
    record.projectId,
    record.tokenId,
    record.provider,
    record.keyId,
    record.method,
    record.path,
    whole(record.status),
    record.outcome,
    record.errorCode,
    record.isStream ? 1 : 0,
    whole(record.durationMs),
    record.ttfbMs === null ? null : whole(record.ttfbMs),
    whole(record.requestBytes),
    whole(record.responseBytes),
    record.costNanoUsd,
    ...meteredValues(record),
  ]);
}

function whereRecord(filter: UsageFilter) {
  return where([
    ["project_id = ?", filter.projectId],
    ["token_id = ?", filter.tokenId],
    ["request_id = ?", filter.requestId],
    ["provider = ?", filter.provider],
    ["outcome = ?", filter.outcome],
    ["model = ?", filter.model],
    ["status = ?", filter.status],
    ["timestamp >= ?", filter.startMs],
    ["timestamp <= ?", filter.endMs],
  ]);
}

function toRecord(row: UsageRow): UsageRecord {
  return {
    requestId: row.request_id,
    atMs: row.timestamp,
    projectId: row.project_id,
    tokenId: row.token_id,
    provider: row.provider,
    keyId: row.key_id,
    method: row.method,
    path: row.path,
    status: row.status,
    outcome: row.outcome,
    errorCode: row.error_code,
    isStream: row.is_stream === 1,
    durationMs: row.duration_ms,
    ttfbMs: row.ttfb_ms,
    requestBytes: row.request_bytes,
    responseBytes: row.response_bytes,
    costNanoUsd: row.cost_nano_usd === null ? null : BigInt(row.cost_nano_usd),
    ...toMetered(row),
  };
}
