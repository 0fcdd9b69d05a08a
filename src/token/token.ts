import type { Limits } from "../limit/limits.ts";

/** A withering token of a project. Its text exists only in the answer that made it; here is its hash. */
export interface Token {
  /** UUID v4. */
  readonly id: string;
  readonly projectId: string;
  /** Lower-case hex SHA-256 of the whole token text. */
  readonly hash: string;
  /** Last four characters of the text, for the masked form. */
  readonly hint: string;
  /** ms since the epoch. At this very moment it is expired already. */
  readonly expiresAtMs: number;
  readonly isActive: boolean;
  readonly deactivatedAtMs: number | null;
  readonly limits: Limits;
  /** Requests forwarded to a provider. */
  readonly requestCount: number;
  readonly cacheHitCount: number;
  readonly createdAtMs: number;
  readonly lastUsedAtMs: number | null;
}
