import { Type } from "@sinclair/typebox";
import { fail, ok, type Result } from "../result.ts";
import type { Problem } from "./problem.ts";

const rfc3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/i;

/** A time on the wire: RFC 3339, UTC, milliseconds. */
export function formatTime(atMs: number): string {
  return new Date(atMs).toISOString();
}

/** The same for what may not have happened. */
export function formatOptionalTime(atMs: number | null): string | null {
  return atMs === null ? null : formatTime(atMs);
}

/** Reads an RFC 3339 time with its offset, in ms since the epoch. */
export function readTime(field: string, text: string): Result<number, Problem> {
  const atMs = rfc3339.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(atMs) && isDay(text.slice(0, 10))) return ok(atMs);
  return fail({
    code: "validation_failed",
    field,
    error: `${field} is not an RFC 3339 time`,
    description: "Write it as 2026-01-02T03:04:05Z; a plus sign in a query is written %2B",
  });
}

/** The same for what may be absent, or null. */
export function readOptionalTime(
  field: string,
  text: string | null | undefined,
): Result<number | null | undefined, Problem> {
  return text === undefined || text === null ? ok(text) : readTime(field, text);
}

/** Whether there is such a day: `Date.parse` takes February 30 for March 2. */
function isDay(text: string): boolean {
  return new Date(`${text}T00:00:00Z`).toISOString().startsWith(text);
}

/** Query parameters of lists that can be cut by time. */
export const timeQuery = {
  start_time: Type.Optional(Type.String({ description: "From then on, RFC 3339" })),
  end_time: Type.Optional(Type.String({ description: "Until then, inclusive" })),
};

/** Reads the two ends of a filter, both inclusive. */
export function readTimes(query: {
  readonly start_time?: string;
  readonly end_time?: string;
}): Result<{ readonly startMs?: number; readonly endMs?: number }, Problem> {
  const start = query.start_time === undefined ? undefined : readTime("start_time", query.start_time);
  if (start?.ok === false) return start;
  const end = query.end_time === undefined ? undefined : readTime("end_time", query.end_time);
  if (end?.ok === false) return end;
  return ok({ ...(start && { startMs: start.value }), ...(end && { endMs: end.value }) });
}
