import { defineCommand, type SubCommandsDef } from "citty";
import type { Records } from "../client.ts";
import type { Query, RecordRow } from "../client-call.ts";
import { connection, withClient } from "../client-connect.ts";
import { readCount } from "../flag-values.ts";
import { type CliIo, printTable } from "../output.ts";
import { cell, printRecord, second, show } from "./show.ts";

/** What tells one kind of records from another. */
interface RecordKind {
  /** Of the command, and of the part of the client that it uses. */
  readonly name: "audit" | "usage";
  readonly about: string;
  readonly listAbout: string;
  /** Flags that filter by one field of the API each, with what they mean; `project-id` is `project_id` there. */
  readonly filters: Readonly<Record<string, string>>;
  /** After the time: what is shown under each title, the first of these fields that the record has. */
  readonly columns: Readonly<Record<string, readonly string[]>>;
  readonly showAbout: string;
  readonly idAbout: string;
  /** Commands of this kind alone. */
  readonly more?: SubCommandsDef;
}

const limit = {
  type: "string",
  default: "100",
  description: "How many of the newest to show; 0 is all",
} as const;

/** The command that looks at records of one kind, which grow for ever: `list` and `show`. */
export function recordCommand({ name, about, filters, columns, ...kind }: RecordKind) {
  const list = defineCommand({
    meta: { name: "list", description: kind.listAbout },
    args: { ...filterFlags(filters), limit, ...connection },
    async run({ args, data: io }) {
      const filter = readFilter(Object.keys(filters), args);
      const most = readCount("--limit", args.limit) ?? 0;
      const found = await withClient(args, io, (client) => client[name].list(filter, most));
      show(io, args.json, found.rows, () => printRows(io, columns, found.rows));
      tellRest(io, found);
    },
  });
  const showOne = defineCommand({
    meta: { name: "show", alias: "get", description: kind.showAbout },
    args: { id: { type: "positional", required: true, description: kind.idAbout }, ...connection },
    async run({ args, data: io }) {
      const row = await withClient(args, io, (client) => client[name].show(args.id));
      show(io, args.json, row, () => printRecord(io, row));
    },
  });
  return defineCommand({
    meta: { name, description: about },
    subCommands: { list, show: showOne, ...kind.more },
  });
}

function filterFlags(filters: RecordKind["filters"]) {
  const flags = Object.entries(filters).map(([name, description]) => [name, { type: "string", description }]);
  return Object.fromEntries(flags) as Record<string, { readonly type: "string" }>;
}

function readFilter(names: readonly string[], args: Readonly<Record<string, unknown>>): Query {
  return Object.fromEntries(
    names.map((name) => [name.replaceAll("-", "_"), args[name] as string | undefined]),
  );
}

function printRows(io: CliIo, columns: RecordKind["columns"], rows: readonly RecordRow[]): void {
  const titles = ["Time", ...Object.keys(columns)].map((title) => ({ title }));
  const cells = rows.map((row) => [
    second(row["timestamp"]),
    ...Object.values(columns).map((fields) =>
      cell(fields.map((field) => row[field]).find((value) => value !== undefined && value !== null)),
    ),
  ]);
  printTable(io, titles, cells);
}

/** Says on stderr that a list was cut. */
function tellRest(io: CliIo, { rows, total }: Records): void {
  if (rows.length < total) io.stderr.write(`${rows.length} of ${total} are shown: --limit 0 shows all\n`);
}
