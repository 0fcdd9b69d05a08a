import { defineCommand } from "citty";
import type { RecordRow } from "../client-call.ts";
import { connection, withClient } from "../client-connect.ts";
import { given } from "../flag-values.ts";
import { type CliIo, printTable } from "../output.ts";
import { cell, show } from "./show.ts";

const text = (description: string) => ({ type: "string", description }) as const;
const filters = {
  "group-by": {
    ...text("Any of project, token, model, provider, outcome, and hour or day, with commas between"),
    default: "day",
  },
  "project-id": text("Only of this project"),
  "token-id": text("Only of this token, by its id"),
  model: text("Only of this model"),
  provider: text("Only at this provider"),
  outcome: text("Only requests that ended so, such as complete"),
  from: text("From that hour on, as 2026-01-02T03:00:00Z"),
  to: text("Until that hour"),
} as const;

/** What a row may be told by. */
const keys = ["hour", "day", "project_id", "token_id", "model", "provider", "outcome"];
const barWidth = 20;

/** `manage usage sum`: what was used, summed, with a bar for what it costs or else for the requests. */
export const usageSum = defineCommand({
  meta: {
    name: "sum",
    description: "Sum what was used and what it costs. Example: llm-proxy manage usage sum --group-by model",
  },
  args: { ...filters, ...connection },
  async run({ args, data: io }) {
    const asked = given(
      Object.fromEntries(
        Object.keys(filters).map((name) => [name.replaceAll("-", "_"), args[name as keyof typeof filters]]),
      ),
    );
    const rows = await withClient(args, io, (client) => client.usageSums.list(asked));
    show(io, args.json, rows, () => printSums(io, rows));
  },
});

function printSums(io: CliIo, rows: readonly RecordRow[]): void {
  const told = keys.filter((key) => rows.some((row) => row[key] !== undefined));
  const hasCost = rows.some((row) => Number(row["cost_usd"]) > 0);
  const sizes = rows.map((row) => Number(row[hasCost ? "cost_usd" : "requests"]));
  const most = Math.max(...sizes, 0);
  const titles = [...told.map(titleOf), "Requests", "In", "Cached", "Out", "Estimated", "Cost $", ""];
  printTable(
    io,
    titles.map((title) => ({ title })),
    rows.map((row, index) => [
      ...told.map((key) => keyCell(key, row[key])),
      cell(row["requests"]),
      cell(row["input_tokens"]),
      cell(row["cached_input_tokens"]),
      cell(row["output_tokens"]),
      cell(row["estimated_requests"]),
      cell(row["cost_usd"]),
      "█".repeat(most > 0 ? Math.round(((sizes[index] ?? 0) / most) * barWidth) : 0),
    ]),
  );
}

function titleOf(key: string): string {
  const word = key.replace(/_id$/, "");
  return word.charAt(0).toUpperCase() + word.slice(1);
}

/** A day without its time, an hour without its minutes, and a word for what has no name. */
function keyCell(key: string, value: unknown): string {
  if (key === "day") return cell(value).slice(0, 10);
  if (key === "hour") return cell(value).slice(0, 16).replace("T", " ");
  return cell(value) || "(none)";
}
