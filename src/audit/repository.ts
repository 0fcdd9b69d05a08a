import type { Listed, Page } from "../page.ts";
import type { AuditEntry } from "./entry.ts";

/** Exact matches but for `search` (substring, case-insensitive) and the times (inclusive, ms since the epoch). */
export interface AuditFilter {
  readonly action?: string;
  readonly clientIp?: string;
  readonly projectId?: string;
  readonly tokenId?: string;
  readonly outcome?: string;
  readonly actor?: string;
  readonly requestId?: string;
  readonly correlationId?: string;
  readonly method?: string;
  readonly path?: string;
  /** Looked for in request_id, correlation_id, client_ip, action, actor, method, path, reason and metadata; `%` and `_` are ordinary. */
  readonly search?: string;
  readonly startMs?: number;
  readonly endMs?: number;
}

/** Where audit entries go, in order. Rejects when it could not keep all of a batch; part of it may have been kept then. */
export interface AuditSink {
  readonly name: string;
  append(entries: readonly AuditEntry[]): Promise<void>;
}

/** The sink that can be read back. Newest first. */
export interface AuditRepository extends AuditSink {
  list(filter: AuditFilter, page: Page): Promise<Listed<AuditEntry>>;
  find(id: string): Promise<AuditEntry | undefined>;
  /** Deletes entries older than `beforeMs`, at most `limit` at once; says how many. */
  deleteBefore(beforeMs: number, limit: number): Promise<number>;
}
