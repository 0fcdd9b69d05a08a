import type { Records } from "../client.ts";
import type { Query } from "../client-call.ts";
import { readCount } from "../flag-values.ts";
import type { CliIo } from "../output.ts";

/** The flag of lists that grow for ever. */
export const limit = {
  type: "string",
  default: "100",
  description: "How many of the newest to show; 0 is all",
} as const;

/** Flags that filter by one field of the API each; `project-id` is `project_id` there. */
export function filterFlags<const N extends string>(abouts: Readonly<Record<N, string>>) {
  const flags = Object.entries<string>(abouts).map(([name, description]) => [
    name,
    { type: "string", description },
  ]);
  return Object.fromEntries(flags) as Record<N, { readonly type: "string"; readonly description: string }>;
}

/** The filter that was given by these flags. */
export function readFilter(names: readonly string[], args: Readonly<Record<string, unknown>>): Query {
  return Object.fromEntries(
    names.map((name) => [name.replaceAll("-", "_"), args[name] as string | undefined]),
  );
}

/** The value of the `limit` flag. */
export function readLimit(text: string): number {
  return readCount("--limit", text) ?? 0;
}

/** Says on stderr that a list was cut. */
export function tellRest(io: CliIo, { rows, total }: Records): void {
  if (rows.length < total) io.stderr.write(`${rows.length} of ${total} are shown: --limit 0 shows all\n`);
}
