import type { Problem } from "./problem.ts";
import type { SettingKey } from "./settings.ts";

/** Collects what is wrong and what is odd, so that all of it can be said at once. */
export interface Findings {
  readonly problems: Problem[];
  /** Sentences; they do not stop a start. */
  readonly warnings: string[];
  /** Settings whose value could not be read; nothing further is said about them. */
  readonly unread: Set<SettingKey>;
}

/** An empty collection. */
export function createFindings(): Findings {
  return { problems: [], warnings: [], unread: new Set() };
}
