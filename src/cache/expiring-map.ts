import type { Clock } from "../clock.ts";

export interface ExpiringMap<Value> {
  get(key: string): Value | undefined;
  set(key: string, value: Value): void;
  deleteWhere(isMeant: (value: Value) => boolean): void;
}

/**
 * A map bounded in entries and age. The entry that has been in it for longest goes first: entries are short-lived
 * anyway, and to move one at each use would cost more on the request's path than it saves.
 */
export function createExpiringMap<Value>(limits: {
  readonly clock: Clock;
  readonly entriesMax: number;
  readonly ttlMs: number;
}): ExpiringMap<Value> {
  const entries = new Map<string, { readonly value: Value; readonly untilMs: number }>();
  return {
    get(key) {
      const entry = entries.get(key);
      if (entry === undefined) return undefined;
      if (limits.clock.monotonic() < entry.untilMs) return entry.value;
      entries.delete(key);
      return undefined;
    },
    set(key, value) {
      if (limits.entriesMax === 0 || limits.ttlMs === 0) return;
      entries.delete(key);
      const oldest = entries.size >= limits.entriesMax ? entries.keys().next().value : undefined;
      if (oldest !== undefined) entries.delete(oldest);
      entries.set(key, { value, untilMs: limits.clock.monotonic() + limits.ttlMs });
    },
    deleteWhere(isMeant) {
      for (const [key, { value }] of entries) if (isMeant(value)) entries.delete(key);
    },
  };
}
