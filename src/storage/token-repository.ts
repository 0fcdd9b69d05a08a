import type { TokenFilter, TokenRepository } from "../token/repository.ts";
import type { Token } from "../token/token.ts";
import type { Database } from "./database.ts";
import { type LimitRow, limitColumns, limitValues, setLimits, toLimits } from "./limit-columns.ts";
import { bit, slice, where } from "./where.ts";

interface TokenRow extends LimitRow {
  id: string;
  project_id: string;
  hash: string;
  hint: string;
  expires_at: number;
  is_active: number;
  deactivated_at: number | null;
  request_count: number;
  cache_hit_count: number;
  created_at: number;
  last_used_at: number | null;
}

const columnNames = [
  "id",
  "project_id",
  "hash",
  "hint",
  "expires_at",
  "is_active",
  "deactivated_at",
  "request_count",
  "cache_hit_count",
  "created_at",
  "last_used_at",
  ...limitColumns,
];
const columns = columnNames.join(", ");

/** Tokens in the database. */
export function createTokenRepository(database: Database): TokenRepository {
  return {
    async insert(token) {
      await database.write([
        {
          sql: `INSERT INTO tokens (${columns}) VALUES (${columnNames.map(() => "?").join(", ")})`,
          values: [
            token.id,
            token.projectId,
            token.hash,
            token.hint,
            token.expiresAtMs,
            token.isActive ? 1 : 0,
            token.deactivatedAtMs,
            token.requestCount,
            token.cacheHitCount,
            token.createdAtMs,
            token.lastUsedAtMs,
            ...limitValues(token.limits),
          ],
        },
      ]);
    },

    async list(filter, page) {
      const { sql, values } = whereToken(filter);
      const cut = slice(page);
      const rows = await database.all<TokenRow>(
        `SELECT ${columns} FROM tokens${sql} ORDER BY created_at DESC, id${cut.sql}`,
        [...values, ...cut.values],
      );
      const count = await database.first<{ total: number }>(
        `SELECT COUNT(*) AS total FROM tokens${sql}`,
        values,
      );
      return { items: rows.map(toToken), total: count?.total ?? 0 };
    },

    async find(id) {
      const row = await database.first<TokenRow>(`SELECT ${columns} FROM tokens WHERE id = ?`, [id]);
      return row && toToken(row);
    },

    async findByHash(hash) {
      const row = await database.first<TokenRow>(`SELECT ${columns} FROM tokens WHERE hash = ?`, [hash]);
      return row && toToken(row);
    },

    async update(id, { isActive, expiresAtMs = null, limits, atMs }) {
      const active = bit(isActive) ?? null;
      const set = setLimits(limits ?? {});
      const [updated] = await database.write([
        {
          sql: `UPDATE tokens SET
                  deactivated_at = CASE ? WHEN 1 THEN NULL WHEN 0 THEN COALESCE(deactivated_at, ?) ELSE deactivated_at END,
                  is_active = COALESCE(?, is_active),
                  expires_at = COALESCE(?, expires_at)${set.sql}
                WHERE id = ?`,
          values: [active, atMs, active, expiresAtMs, ...set.values, id],
        },
      ]);
      return updated === 1;
    },

    async revokeAll(projectId, atMs) {
      const [revoked = 0] = await database.write([
        {
          sql: "UPDATE tokens SET is_active = 0, deactivated_at = ? WHERE project_id = ? AND is_active = 1",
          values: [atMs, projectId],
        },
      ]);
      const count = await database.first<{ total: number }>(
        "SELECT COUNT(*) AS total FROM tokens WHERE project_id = ?",
        [projectId],
      );
      const total = count?.total ?? 0;
      return { revoked, alreadyRevoked: total - revoked, total };
    },

    async deactivateExpired(atMs) {
      const [expired = 0] = await database.write([
        {
          sql: "UPDATE tokens SET is_active = 0, deactivated_at = ? WHERE is_active = 1 AND expires_at <= ?",
          values: [atMs, atMs],
        },
      ]);
      return expired;
    },
  };
}

function whereToken(filter: TokenFilter) {
  return where([
    ["project_id = ?", filter.projectId],
    ["is_active = ?", bit(filter.isActive)],
  ]);
}

function toToken(row: TokenRow): Token {
  return {
    id: row.id,
    projectId: row.project_id,
    hash: row.hash,
    hint: row.hint,
    expiresAtMs: row.expires_at,
    isActive: row.is_active === 1,
    deactivatedAtMs: row.deactivated_at,
    requestCount: row.request_count,
    cacheHitCount: row.cache_hit_count,
    createdAtMs: row.created_at,
    lastUsedAtMs: row.last_used_at,
    limits: toLimits(row),
  };
}
