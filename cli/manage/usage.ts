import { defineCommand } from "citty";
import { connection, withClient } from "../client-connect.ts";
import { printTable } from "../output.ts";
import { filterFlags, limit, readFilter, readLimit, tellRest } from "./records.ts";
import { cell, printRecord, second, show } from "./show.ts";

const filters = filterFlags({
  "project-id": "Only requests of this project",
  "token-id": "Only requests with this token, by its id",
  provider: "Only requests to this provider",
  outcome: "Only complete, client_cancelled, upstream_cut, upstream_timeout, upstream_error or refused",
  status: "Only answers with this status",
  "request-id": "Only the request that the caller saw under this id",
  "start-time": "Only from then on, as 2026-01-02T03:04:05Z",
  "end-time": "Only until then",
});

const list = defineCommand({
  meta: {
    name: "list",
    description:
      "List proxied requests, newest first. Example: llm-proxy manage usage list --outcome refused --limit 20",
  },
  args: { ...filters, limit, ...connection },
  async run({ args, data: io }) {
    const filter = readFilter(Object.keys(filters), args);
    const found = await withClient(args, io, (client) => client.usage.list(filter, readLimit(args.limit)));
    show(io, args.json, found.rows, () =>
      printTable(
        io,
        ["Time", "Status", "Outcome", "Provider", "Method", "Path", "ms", "Request"].map((title) => ({
          title,
        })),
        found.rows.map((row) => [
          second(row["timestamp"]),
          cell(row["status"]),
          cell(row["error_code"] ?? row["outcome"]),
          cell(row["provider"]),
          cell(row["method"]),
          cell(row["path"]),
          cell(row["duration_ms"]),
          cell(row["request_id"]),
        ]),
      ),
    );
    tellRest(io, found);
  },
});

const showOne = defineCommand({
  meta: {
    name: "show",
    alias: "get",
    description: "Show a proxied request. Example: llm-proxy manage usage show 1f0e…",
  },
  args: {
    id: {
      type: "positional",
      required: true,
      description: "The id that the caller saw in x-llm-proxy-request-id",
    },
    ...connection,
  },
  async run({ args, data: io }) {
    const row = await withClient(args, io, (client) => client.usage.show(args.id));
    show(io, args.json, row, () => printRecord(io, row));
  },
});

export const usage = defineCommand({
  meta: { name: "usage", description: "Look at proxied requests. Example: llm-proxy manage usage list" },
  subCommands: { list, show: showOne },
});
