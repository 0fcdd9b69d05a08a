import { type Static, Type } from "@sinclair/typebox";
import { formatUsd } from "../usage/money.ts";
import { type Outcome, outcomes } from "../usage/record.ts";
import { type UsageGroup, type UsageSums, usageGroups } from "../usage/summary.ts";
import { operation } from "./openapi.ts";
import { type Problem, problemResponse } from "./problem.ts";
import { defined, type RouteDeps, routesOf } from "./route.ts";
import { formatTime, readTime } from "./time.ts";

const rowSchema = Type.Object({
  project_id: Type.Optional(Type.String()),
  token_id: Type.Optional(Type.String()),
  model: Type.Optional(Type.String({ description: "Asked for; empty where none was named" })),
  provider: Type.Optional(Type.String({ description: "Empty where none was chosen" })),
  outcome: Type.Optional(Type.String()),
  hour: Type.Optional(Type.String({ description: "Its beginning", examples: ["2026-01-02T03:00:00.000Z"] })),
  day: Type.Optional(Type.String({ description: "Its beginning" })),
  requests: Type.Integer(),
  estimated_requests: Type.Integer({ description: "Of these: whose provider reported nothing" }),
  unpriced_requests: Type.Integer({ description: "Of these: whose model has no price" }),
  input_tokens: Type.Integer({ description: "All input, with its parts" }),
  cached_input_tokens: Type.Integer(),
  cache_write_tokens: Type.Integer(),
  audio_input_tokens: Type.Integer(),
  output_tokens: Type.Integer({ description: "All output, with its parts" }),
  reasoning_tokens: Type.Integer(),
  audio_output_tokens: Type.Integer(),
  images: Type.Integer(),
  audio_seconds: Type.Number(),
  characters: Type.Integer(),
  web_searches: Type.Integer(),
  cost_usd: Type.String({ description: "An exact decimal", examples: ["0.0195"] }),
});
type Row = Static<typeof rowSchema>;

const exact = (what: string) => Type.Optional(Type.String({ description: `Exactly this ${what}` }));
const rowsMax = 10_000;

const query = Type.Object(
  {
    group_by: Type.Optional(
      Type.String({
        description: `Any of ${usageGroups.join(", ")}, with commas between`,
        examples: ["day,model"],
      }),
    ),
    project_id: exact("project"),
    token_id: exact("token"),
    model: exact("model"),
    provider: exact("provider"),
    outcome: exact("outcome"),
    from: Type.Optional(Type.String({ description: "RFC 3339; the hour that it lies in is the first" })),
    to: Type.Optional(
      Type.String({ description: "RFC 3339, exclusive; the hour that it lies in is the last" }),
    ),
    format: Type.Optional(Type.Union([Type.Literal("json"), Type.Literal("csv")])),
  },
  { additionalProperties: false },
);

/** Sums of what was used. They are kept when the records that they are of are deleted. */
export function usageRoutes({ summary }: RouteDeps) {
  return routesOf().get(
    "/manage/usage",
    async ({ query: asked }) => {
      const groups = readGroups(asked.group_by);
      if (groups === undefined) return problemResponse(wrongGroup);
      const from = asked.from === undefined ? undefined : readTime("from", asked.from);
      if (from?.ok === false) return problemResponse(from.error);
      const to = asked.to === undefined ? undefined : readTime("to", asked.to);
      if (to?.ok === false) return problemResponse(to.error);
      if (asked.outcome && !isOutcome(asked.outcome)) return problemResponse(wrongOutcome);
      const filter = defined({
        projectId: asked.project_id || undefined,
        tokenId: asked.token_id || undefined,
        model: asked.model || undefined,
        provider: asked.provider || undefined,
        outcome: (asked.outcome || undefined) as Outcome | undefined,
        fromMs: from?.value,
        toMs: to?.value,
      });
      const rows = (await summary.sum(filter, groups, rowsMax)).map((sums) => toRow(sums, groups));
      return asked.format === "csv" ? csvResponse(rows) : Response.json({ data: rows });
    },
    {
      query,
      detail: operation({
        tag: "Usage",
        summary: "Sum what was used",
        description: `By hour at the finest; at most ${rowsMax} rows, in order of time and then the dearest first.`,
        status: 200,
        answer: Type.Object({ data: Type.Array(rowSchema) }),
        problems: ["validation_failed"],
      }),
    },
  );
}

const wrongGroup: Problem = {
  code: "validation_failed",
  field: "group_by",
  error: "group_by is not valid",
  description: `Give any of ${usageGroups.join(", ")}, with commas between; hour and day exclude each other`,
};
const wrongOutcome: Problem = {
  code: "validation_failed",
  field: "outcome",
  error: "outcome is not valid",
  description: `Known are: ${outcomes.join(", ")}`,
};

function readGroups(text: string | undefined): readonly UsageGroup[] | undefined {
  const names = text ? text.split(",").map((name) => name.trim()) : [];
  const groups = names.flatMap((name) => usageGroups.filter((group) => group === name));
  const isRight = groups.length === names.length && new Set(groups).size === groups.length;
  return isRight && !(groups.includes("hour") && groups.includes("day")) ? groups : undefined;
}

function isOutcome(text: string): boolean {
  return outcomes.some((outcome) => outcome === text);
}

function toRow(sums: UsageSums, groups: readonly UsageGroup[]): Row {
  const start = sums.startMs === undefined ? undefined : formatTime(sums.startMs);
  return {
    ...defined({
      hour: groups.includes("hour") ? start : undefined,
      day: groups.includes("day") ? start : undefined,
      project_id: sums.projectId,
      token_id: sums.tokenId,
      model: sums.model,
      provider: sums.provider,
      outcome: sums.outcome,
    }),
    requests: sums.requests,
    estimated_requests: sums.estimatedRequests,
    unpriced_requests: sums.unpricedRequests,
    input_tokens: sums.inputTokens,
    cached_input_tokens: sums.cachedInputTokens,
    cache_write_tokens: sums.cacheWriteTokens,
    audio_input_tokens: sums.audioInputTokens,
    output_tokens: sums.outputTokens,
    reasoning_tokens: sums.reasoningTokens,
    audio_output_tokens: sums.audioOutputTokens,
    images: sums.images,
    audio_seconds: sums.audioMs / 1000,
    characters: sums.characters,
    web_searches: sums.webSearches,
    cost_usd: formatUsd(sums.costNanoUsd),
  };
}

/** RFC 4180. What a spreadsheet would take for a formula gets a quote in front. */
function csvResponse(rows: readonly Row[]): Response {
  const [first] = rows;
  const names = first === undefined ? [] : Object.keys(first);
  const lines = [names, ...rows.map((row) => names.map((name) => row[name as keyof Row]))];
  const text = lines.map((cells) => cells.map((cell) => csvCell(String(cell ?? ""))).join(",")).join("\r\n");
  const headers = {
    "content-type": "text/csv; charset=utf-8",
    "content-disposition": 'attachment; filename="usage.csv"',
  };
  return new Response(`${text}\r\n`, { headers });
}

function csvCell(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
