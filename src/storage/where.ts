import type { Page } from "../page.ts";
import type { Value } from "./database.ts";

/** A condition and its value, or undefined where it is not asked for. */
type Condition = readonly [sql: string, value: Value | undefined];

/** `WHERE` with what is asked for, joined by AND; empty where nothing is. */
export function where(conditions: readonly Condition[]): { readonly sql: string; readonly values: Value[] } {
  const asked = conditions.flatMap(([sql, value]) => (value === undefined ? [] : [{ sql, value }]));
  if (asked.length === 0) return { sql: "", values: [] };
  return {
    sql: ` WHERE ${asked.map(({ sql }) => sql).join(" AND ")}`,
    // a condition may name its value several times, as a search over columns does
    values: asked.flatMap(({ sql, value }) => Array<Value>(sql.split("?").length - 1).fill(value)),
  };
}

/** `LIMIT` and `OFFSET`; empty where no page is asked for. */
export function slice(page: Page | undefined): { readonly sql: string; readonly values: Value[] } {
  return page === undefined
    ? { sql: "", values: [] }
    : { sql: " LIMIT ? OFFSET ?", values: [page.limit, page.offset] };
}

/** A LIKE pattern for "contains", to be used with `ESCAPE '!'`: `%` and `_` in the text are ordinary. */
export function containing(text: string): string {
  return `%${text.replace(/[!%_]/g, "!$&")}%`;
}

/** A boolean as it is stored; undefined stays. */
export function bit(flag: boolean | undefined): 0 | 1 | undefined {
  return flag === undefined ? undefined : flag ? 1 : 0;
}
