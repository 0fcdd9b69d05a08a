import type { Limits } from "../limit/limits.ts";

/** A tenant: a name, a default provider, active or not. Projects are deactivated, never deleted. */
export interface Project {
  /** UUID v4. */
  readonly id: string;
  /** 1 to 255 characters, trimmed, unique. */
  readonly name: string;
  /** Name of a provider; it may have gone from the provider file since. */
  readonly provider: string;
  readonly isActive: boolean;
  /** ms since the epoch; null while active. */
  readonly deactivatedAtMs: number | null;
  /** From that moment on nothing is let through; null: never. */
  readonly expiresAtMs: number | null;
  /** They hold for all its tokens together. */
  readonly limits: Limits;
  /** Requests forwarded to a provider. */
  readonly requestCount: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}
