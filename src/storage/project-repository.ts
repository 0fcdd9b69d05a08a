import type { Project } from "../project/project.ts";
import type { ProviderKey } from "../project/provider-key.ts";
import type { ProjectChange, ProjectFilter, ProjectRepository } from "../project/repository.ts";
import { type Database, type Statement, UnexpectedChanges, UniqueViolation } from "./database.ts";
import { replaceKeyCheck } from "./key-check.ts";
import { type LimitRow, limitColumns, limitValues, setLimits, toLimits } from "./limit-columns.ts";
import { bit, containing, slice, where } from "./where.ts";

interface ProjectRow extends LimitRow {
  id: string;
  name: string;
  provider: string;
  is_active: number;
  deactivated_at: number | null;
  expires_at: number | null;
  request_count: number;
  created_at: number;
  updated_at: number;
}

interface KeyRow {
  id: string;
  project_id: string;
  provider: string;
  name: string;
  weight: number;
  sealed: string;
  hint: string;
  created_at: number;
}

const projectColumnNames = [
  "id",
  "name",
  "provider",
  "is_active",
  "deactivated_at",
  "expires_at",
  "request_count",
  "created_at",
  "updated_at",
  ...limitColumns,
];
const projectColumns = projectColumnNames.join(", ");
const keyColumns = "id, project_id, provider, name, weight, sealed, hint, created_at";
const insertKeySql = `INSERT INTO provider_keys (${keyColumns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`;
/** Projects whose keys are read by one statement. */
const projectsPerRead = 100;

/** Projects and provider keys in the database. */
export function createProjectRepository(database: Database): ProjectRepository {
  return {
    insert(project, key) {
      const statements = [insertProject(project)];
      if (key !== undefined) statements.push({ sql: insertKeySql, values: keyValues(key) });
      return insertedOrTaken(database, statements);
    },

    async list(filter, page) {
      const { sql, values } = whereProject(filter);
      const cut = slice(page);
      const rows = await database.all<ProjectRow>(
        `SELECT ${projectColumns} FROM projects${sql} ORDER BY name, id${cut.sql}`,
        [...values, ...cut.values],
      );
      const count = await database.first<{ total: number }>(
        `SELECT COUNT(*) AS total FROM projects${sql}`,
        values,
      );
      return { items: rows.map(toProject), total: count?.total ?? 0 };
    },

    async find(id) {
      const row = await database.first<ProjectRow>(`SELECT ${projectColumns} FROM projects WHERE id = ?`, [
        id,
      ]);
      return row && toProject(row);
    },

    async update(id, change) {
      try {
        const [updated, tokensRevoked] = await database.write(updateStatements(id, change));
        return updated === 0 ? "not_found" : { tokensRevoked: tokensRevoked ?? 0 };
      } catch (error) {
        if (error instanceof UniqueViolation) return "name_taken";
        throw error;
      }
    },

    async keys(projectId, provider) {
      const { sql, values } = where([
        ["project_id = ?", projectId],
        ["provider = ?", provider],
      ]);
      return (await database.all<KeyRow>(selectKeys(sql), values)).map(toKey);
    },

    async keysOf(projectIds) {
      const found: ProviderKey[] = [];
      for (let start = 0; start < projectIds.length; start += projectsPerRead) {
        const ids = projectIds.slice(start, start + projectsPerRead);
        const marks = ids.map(() => "?").join(", ");
        const rows = await database.all<KeyRow>(selectKeys(` WHERE project_id IN (${marks})`), ids);
        found.push(...rows.map(toKey));
      }
      return found;
    },

    insertKey: (key) => insertedOrTaken(database, [{ sql: insertKeySql, values: keyValues(key) }]),

    async removeKey(projectId, keyId) {
      const [removed] = await database.write([
        { sql: "DELETE FROM provider_keys WHERE id = ? AND project_id = ?", values: [keyId, projectId] },
      ]);
      return removed === 1;
    },

    allKeys: async () => (await database.all<KeyRow>(selectKeys(""))).map(toKey),

    async reseal({ keys, keyCheck }) {
      try {
        await database.write([
          ...keys.map(({ id, before, after }) => ({
            sql: "UPDATE provider_keys SET sealed = ? WHERE id = ? AND sealed = ?",
            values: [after, id, before],
            expectChanges: 1,
          })),
          replaceKeyCheck(keyCheck, keys.length),
        ]);
        return "resealed";
      } catch (error) {
        if (error instanceof UnexpectedChanges) return "changed_meanwhile";
        throw error;
      }
    },
  };
}

async function insertedOrTaken(
  database: Database,
  statements: readonly Statement[],
): Promise<"inserted" | "name_taken"> {
  try {
    await database.write(statements);
    return "inserted";
  } catch (error) {
    if (error instanceof UniqueViolation) return "name_taken";
    throw error;
  }
}

function insertProject(project: Project): Statement {
  return {
    sql: `INSERT INTO projects (${projectColumns}) VALUES (${projectColumnNames.map(() => "?").join(", ")})`,
    values: [
      project.id,
      project.name,
      project.provider,
      project.isActive ? 1 : 0,
      project.deactivatedAtMs,
      project.expiresAtMs,
      project.requestCount,
      project.createdAtMs,
      project.updatedAtMs,
      ...limitValues(project.limits),
    ],
  };
}

/** First the project, then its tokens, then its key; where the project is missing none of them changes a row. */
function updateStatements(id: string, change: ProjectChange): Statement[] {
  const { name = null, provider = null, expiresAtMs, key, atMs } = change;
  const set = setLimits(change.limits ?? {});
  const setsExpiry = bit(expiresAtMs !== undefined) ?? 0;
  const isActive = bit(change.isActive) ?? null;
  const statements: Statement[] = [
    {
      sql: `UPDATE projects SET name = COALESCE(?, name), provider = COALESCE(?, provider), updated_at = ?,
              deactivated_at = CASE ? WHEN 1 THEN NULL WHEN 0 THEN COALESCE(deactivated_at, ?) ELSE deactivated_at END,
              is_active = COALESCE(?, is_active),
              expires_at = CASE ? WHEN 1 THEN ? ELSE expires_at END${set.sql}
            WHERE id = ?`,
      values: [
        name,
        provider,
        atMs,
        isActive,
        atMs,
        isActive,
        setsExpiry,
        expiresAtMs ?? null,
        ...set.values,
        id,
      ],
    },
    {
      sql: `UPDATE tokens SET is_active = 0, deactivated_at = ? WHERE project_id = ? AND is_active = 1 AND ? = 1`,
      values: [atMs, id, bit(change.revokeTokens ?? false) ?? 0],
    },
  ];
  if (key !== undefined) statements.push(upsertKey(key));
  return statements;
}

/** Keeps the row's age, so that a replaced key stays where it was in the order. */
function upsertKey(key: ProviderKey): Statement {
  return {
    sql: `INSERT INTO provider_keys (${keyColumns})
          SELECT ?, ?, ?, ?, ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM projects WHERE id = ?)
          ON CONFLICT (id) DO UPDATE SET provider = excluded.provider, name = excluded.name,
            weight = excluded.weight, sealed = excluded.sealed, hint = excluded.hint
          ON CONFLICT (project_id, provider, name) DO UPDATE SET id = excluded.id,
            weight = excluded.weight, sealed = excluded.sealed, hint = excluded.hint`,
    values: [...keyValues(key), key.projectId],
  };
}

function selectKeys(condition: string): string {
  return `SELECT ${keyColumns} FROM provider_keys${condition} ORDER BY created_at, id`;
}

function whereProject(filter: ProjectFilter) {
  return where([
    ["is_active = ?", bit(filter.isActive)],
    ["name LIKE ? ESCAPE '!'", filter.search === undefined ? undefined : containing(filter.search)],
  ]);
}

function keyValues(key: ProviderKey) {
  return [key.id, key.projectId, key.provider, key.name, key.weight, key.sealed, key.hint, key.createdAtMs];
}

function toProject(row: ProjectRow): Project {
  return {
    id: row.id,
    name: row.name,
    provider: row.provider,
    isActive: row.is_active === 1,
    deactivatedAtMs: row.deactivated_at,
    expiresAtMs: row.expires_at,
    limits: toLimits(row),
    requestCount: row.request_count,
    createdAtMs: row.created_at,
    updatedAtMs: row.updated_at,
  };
}

function toKey(row: KeyRow): ProviderKey {
  const { id, provider, name, weight, sealed, hint } = row;
  return { id, projectId: row.project_id, provider, name, weight, sealed, hint, createdAtMs: row.created_at };
}
