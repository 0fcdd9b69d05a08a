import type { Limits } from "../limit/limits.ts";
import type { Listed, Page } from "../page.ts";
import type { Project } from "./project.ts";
import type { ProviderKey } from "./provider-key.ts";

export interface ProjectFilter {
  readonly isActive?: boolean;
  /** Substring of the name, case-insensitive. */
  readonly search?: string;
}

/** What to change; what is absent stays. All of it in one transaction, or nothing. */
export interface ProjectChange {
  readonly name?: string;
  readonly provider?: string;
  /** false sets `deactivated_at` where it was active; true clears it. */
  readonly isActive?: boolean;
  readonly expiresAtMs?: number | null;
  readonly limits?: Partial<Limits>;
  /** Written over the key with the same id, or as a new one. */
  readonly key?: ProviderKey;
  readonly revokeTokens?: boolean;
  readonly atMs: number;
}

/** Sealed texts by those that take their place. */
export interface Resealing {
  /** All the keys there are. */
  readonly keys: readonly { readonly id: string; readonly before: string; readonly after: string }[];
  readonly keyCheck: { readonly before: string; readonly after: string };
}

/** Storage of projects and their provider keys. Driver faults are thrown. */
export interface ProjectRepository {
  insert(project: Project, key: ProviderKey | undefined): Promise<"inserted" | "name_taken">;
  /** Ordered by name, then id. Without a page: all. */
  list(filter: ProjectFilter, page: Page | undefined): Promise<Listed<Project>>;
  find(id: string): Promise<Project | undefined>;
  update(
    id: string,
    change: ProjectChange,
  ): Promise<"not_found" | "name_taken" | { readonly tokensRevoked: number }>;
  /** Oldest first. All providers, or one. */
  keys(projectId: string, provider?: string): Promise<readonly ProviderKey[]>;
  /** The keys of many projects at once (for lists), oldest first. */
  keysOf(projectIds: readonly string[]): Promise<readonly ProviderKey[]>;
  insertKey(key: ProviderKey): Promise<"inserted" | "name_taken">;
  removeKey(projectId: string, keyId: string): Promise<boolean>;
  /** Every key there is, for rotation. */
  allKeys(): Promise<readonly ProviderKey[]>;
  /** Replaces every sealed text and the key check in one transaction; nothing of it where one is not as before. */
  reseal(resealing: Resealing): Promise<"resealed" | "changed_meanwhile">;
}
