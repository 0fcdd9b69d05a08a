import { type UsageRecord, unmetered } from "../usage/record.ts";
import type { Transaction } from "./database.ts";

/** A process that writes to the database. */
export interface Node {
  /** New with each start. */
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  /** Whether a process of this machine lives. */
  readonly isAlive: (pid: number) => boolean;
}

/** A process that was not seen for so long is dead, wherever it ran. */
const silenceMsMax = 60_000;

interface NodeRow {
  id: string;
  host: string;
  pid: number;
  seen_at: number;
}

interface OpenRow {
  request_id: string;
  timestamp: number;
  project_id: string;
  token_id: string;
  provider: string;
  method: string;
  path: string;
  model: string;
  reserved_nano_usd: number | bigint;
}

/** Writes down that this process lives. */
export function signNode(transaction: Transaction, { id, host, pid }: Node, nowMs: number): void {
  transaction.run(
    `INSERT INTO nodes (id, host, pid, seen_at) VALUES (?, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at`,
    [id, host, pid, nowMs],
  );
}

/**
 * Takes what dead processes left open out of the list; gives it as records. They cost what was set aside for them:
 * nobody knows what they have used.
 */
export function closeLost(transaction: Transaction, self: Node, nowMs: number): UsageRecord[] {
  const others = transaction.all<NodeRow>("SELECT id, host, pid, seen_at FROM nodes WHERE id <> ?", [
    self.id,
  ]);
  for (const other of others)
    if (isDead(other, self, nowMs)) transaction.run("DELETE FROM nodes WHERE id = ?", [other.id]);
  const isLost = "node_id NOT IN (SELECT id FROM nodes)";
  const rows = transaction.all<OpenRow>(`SELECT * FROM open_requests WHERE ${isLost}`, []);
  if (rows.length > 0) transaction.run(`DELETE FROM open_requests WHERE ${isLost}`, []);
  return rows.map((row) => lostRecord(row, nowMs));
}

function isDead(other: NodeRow, self: Node, nowMs: number): boolean {
  if (nowMs - other.seen_at > silenceMsMax) return true;
  // In a container every first process has the same number: another one that has ours is an earlier one.
  return other.host === self.host && (other.pid === self.pid || !self.isAlive(other.pid));
}

function lostRecord(row: OpenRow, nowMs: number): UsageRecord {
  return {
    requestId: row.request_id,
    atMs: row.timestamp,
    projectId: row.project_id,
    tokenId: row.token_id,
    provider: row.provider,
    keyId: "",
    method: row.method,
    path: row.path,
    ...unmetered,
    model: row.model,
    status: 0,
    outcome: "unknown",
    errorCode: "",
    isStream: false,
    durationMs: Math.max(0, nowMs - row.timestamp),
    ttfbMs: null,
    requestBytes: 0,
    responseBytes: 0,
    costNanoUsd: row.reserved_nano_usd === 0 ? null : BigInt(row.reserved_nano_usd),
  };
}

/** Whether a process of this machine lives; one that may not be asked does. */
export function isProcessAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
