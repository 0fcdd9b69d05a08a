import { defineCommand } from "citty";
import { connection, withClient } from "../client-connect.ts";
import { printTable } from "../output.ts";
import { filterFlags, limit, readFilter, readLimit, tellRest } from "./records.ts";
import { cell, printRecord, second, show } from "./show.ts";

const filters = filterFlags({
  action: "Only this action, as token.create",
  actor: "Only this actor, as management_api",
  outcome: "Only success, failure, denied or error",
  "project-id": "Only events of this project",
  "token-id": "Only events of this token, by its id",
  "client-ip": "Only from this address",
  "request-id": "Only of this request",
  "correlation-id": "Only with this correlation id",
  method: "Only this HTTP method",
  path: "Only this path",
  search: "Only with this text somewhere",
  "start-time": "Only from then on, as 2026-01-02T03:04:05Z",
  "end-time": "Only until then",
});

const list = defineCommand({
  meta: {
    name: "list",
    description:
      "List audit events, newest first. Example: llm-proxy manage audit list --action token.create --limit 20",
  },
  args: { ...filters, limit, ...connection },
  async run({ args, data: io }) {
    const filter = readFilter(Object.keys(filters), args);
    const found = await withClient(args, io, (client) => client.audit.list(filter, readLimit(args.limit)));
    show(io, args.json, found.rows, () =>
      printTable(
        io,
        ["Time", "Action", "Outcome", "Actor", "Address", "Project", "Token", "ID"].map((title) => ({
          title,
        })),
        found.rows.map((row) => [
          second(row["timestamp"]),
          cell(row["action"]),
          cell(row["outcome"]),
          cell(row["actor"]),
          cell(row["client_ip"]),
          cell(row["project_id"]),
          cell(row["token_id"]),
          cell(row["id"]),
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
    description: "Show an audit event. Example: llm-proxy manage audit show 3c2b…",
  },
  args: {
    id: { type: "positional", required: true, description: "Id of the event (UUID)" },
    ...connection,
  },
  async run({ args, data: io }) {
    const row = await withClient(args, io, (client) => client.audit.show(args.id));
    show(io, args.json, row, () => printRecord(io, row));
  },
});

export const audit = defineCommand({
  meta: { name: "audit", description: "Look at who did what. Example: llm-proxy manage audit list" },
  subCommands: { list, show: showOne },
});
