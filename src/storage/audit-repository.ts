import type { AuditAction, AuditActor, AuditDetails, AuditEntry, AuditOutcome } from "../audit/entry.ts";
import type { AuditFilter, AuditRepository } from "../audit/repository.ts";
import type { Database, Statement } from "./database.ts";
import { containing, slice, where } from "./where.ts";

interface AuditRow {
  id: string;
  timestamp: number;
  action: AuditAction;
  actor: AuditActor;
  project_id: string;
  request_id: string;
  correlation_id: string;
  client_ip: string;
  method: string;
  path: string;
  user_agent: string;
  outcome: AuditOutcome;
  reason: string;
  token_id: string;
  metadata: string;
}

const columns = `id, timestamp, action, actor, project_id, request_id, correlation_id, client_ip, method, path,
  user_agent, outcome, reason, token_id, metadata`;

const searched = [
  "request_id",
  "correlation_id",
  "client_ip",
  "action",
  "actor",
  "method",
  "path",
  "reason",
  "metadata",
];

/** The audit trail in the database; a batch is one transaction. */
export function createAuditRepository(database: Database): AuditRepository {
  return {
    name: "database",

    async append(entries) {
      await database.write(entries.map(insertEntry));
    },

    async list(filter, page) {
      const { sql, values } = whereEntry(filter);
      const cut = slice(page);
      const rows = await database.all<AuditRow>(
        `SELECT ${columns} FROM audit_events${sql} ORDER BY seq DESC${cut.sql}`,
        [...values, ...cut.values],
      );
      const count = await database.first<{ total: number }>(
        `SELECT COUNT(*) AS total FROM audit_events${sql}`,
        values,
      );
      return { items: rows.map(toEntry), total: count?.total ?? 0 };
    },

    async find(id) {
      const row = await database.first<AuditRow>(`SELECT ${columns} FROM audit_events WHERE id = ?`, [id]);
      return row && toEntry(row);
    },

    async deleteBefore(beforeMs, limit) {
      const [deleted = 0] = await database.write([
        {
          sql: `DELETE FROM audit_events WHERE seq IN
                  (SELECT seq FROM audit_events WHERE timestamp < ? ORDER BY timestamp LIMIT ?)`,
          values: [beforeMs, limit],
        },
      ]);
      return deleted;
    },
  };
}

function insertEntry(entry: AuditEntry): Statement {
  return {
    sql: `INSERT INTO audit_events (${columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    values: [
      entry.id,
      entry.atMs,
      entry.action,
      entry.actor,
      entry.projectId,
      entry.requestId,
      entry.correlationId,
      entry.clientIp,
      entry.method,
      entry.path,
      entry.userAgent,
      entry.outcome,
      entry.reason,
      entry.tokenId,
      JSON.stringify(entry.details),
    ],
  };
}

function whereEntry(filter: AuditFilter) {
  return where([
    ["action = ?", filter.action],
    ["client_ip = ?", filter.clientIp],
    ["project_id = ?", filter.projectId],
    ["token_id = ?", filter.tokenId],
    ["outcome = ?", filter.outcome],
    ["actor = ?", filter.actor],
    ["request_id = ?", filter.requestId],
    ["correlation_id = ?", filter.correlationId],
    ["method = ?", filter.method],
    ["path = ?", filter.path],
    ["timestamp >= ?", filter.startMs],
    ["timestamp <= ?", filter.endMs],
    [
      `(${searched.map((column) => `${column} LIKE ? ESCAPE '!'`).join(" OR ")})`,
      filter.search === undefined ? undefined : containing(filter.search),
    ],
  ]);
}

function toEntry(row: AuditRow): AuditEntry {
  return {
    id: row.id,
    atMs: row.timestamp,
    action: row.action,
    outcome: row.outcome,
    actor: row.actor,
    projectId: row.project_id,
    tokenId: row.token_id,
    requestId: row.request_id,
    correlationId: row.correlation_id,
    clientIp: row.client_ip,
    method: row.method,
    path: row.path,
    userAgent: row.user_agent,
    reason: row.reason,
    details: JSON.parse(row.metadata) as AuditDetails,
  };
}
