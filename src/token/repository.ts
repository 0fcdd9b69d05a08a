import type { Limits } from "../limit/limits.ts";
import type { Listed, Page } from "../page.ts";
import type { Token } from "./token.ts";

export interface TokenFilter {
  readonly projectId?: string;
  readonly isActive?: boolean;
}

/** What to change; what is absent stays, and counters are never touched. */
export interface TokenChange {
  readonly isActive?: boolean;
  readonly expiresAtMs?: number;
  readonly limits?: Partial<Limits>;
  readonly atMs: number;
}

/** Storage of tokens. Driver faults are thrown. */
export interface TokenRepository {
  insert(token: Token): Promise<void>;
  /** Newest first, then id. Without a page: all. */
  list(filter: TokenFilter, page: Page | undefined): Promise<Listed<Token>>;
  find(id: string): Promise<Token | undefined>;
  findByHash(hash: string): Promise<Token | undefined>;
  update(id: string, change: TokenChange): Promise<boolean>;
  /** One statement. */
  revokeAll(
    projectId: string,
    atMs: number,
  ): Promise<{ readonly revoked: number; readonly alreadyRevoked: number; readonly total: number }>;
  /** Marks what has expired by now as inactive; says how many. */
  deactivateExpired(atMs: number): Promise<number>;
}
