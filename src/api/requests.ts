import { type Static, Type } from "@sinclair/typebox";
import { formatUsd } from "../usage/money.ts";
import type { UsageRecord } from "../usage/record.ts";
import type { Usage } from "../usage/usage.ts";
import { operation } from "./openapi.ts";
import { pageQuery, pagination, paginationSchema, readPage, toSlice } from "./paging.ts";
import { problemResponse } from "./problem.ts";
import { defined, type RouteDeps, routesOf } from "./route.ts";
import { formatTime, readTimes, timeQuery } from "./time.ts";

const textOrNull = (description: string) => Type.Union([Type.String(), Type.Null()], { description });

const count = (description: string) =>
  Type.Union([Type.Integer(), Type.Null()], { description: `${description}; null: not known` });

const requestSchema = Type.Object({
  request_id: Type.String({ description: "As the caller saw it in x-llm-proxy-request-id" }),
  timestamp: Type.String({ description: "When it came" }),
  project_id: Type.String(),
  token_id: Type.String(),
  provider: textOrNull("null: refused before one was chosen"),
  key_id: textOrNull("Provider key that was used"),
  method: Type.String(),
  path: Type.String(),
  status: Type.Integer({ description: "0: nobody knows; 499: the caller hung up before there was one" }),
  outcome: Type.String({
    description:
      "complete, client_cancelled, upstream_cut, upstream_timeout, upstream_error, refused, or unknown where the process died",
  }),
  error_code: textOrNull(
    "Code of our refusal; stream_incomplete, provider_error: what was wrong with an answer",
  ),
  stream: Type.Boolean(),
  duration_ms: Type.Number(),
  ttfb_ms: Type.Union([Type.Number(), Type.Null()], { description: "Until the provider's first byte" }),
  request_bytes: Type.Integer(),
  response_bytes: Type.Integer(),
  model: textOrNull("That was asked for"),
  answered_model: textOrNull("That says it has answered"),
  input_tokens: count("All input, cached parts included"),
  cached_input_tokens: count("Read from the provider's cache"),
  cache_write_tokens: count("Written to its cache, for five minutes or an unknown time"),
  cache_write_hour_tokens: count("Written to its cache for an hour"),
  audio_input_tokens: count("Audio in the input"),
  output_tokens: count("All output, reasoning and audio included"),
  reasoning_tokens: count("Reasoning in the output"),
  audio_output_tokens: count("Audio in the output"),
  images: count("Pictures that were made"),
  audio_seconds: Type.Union([Type.Number(), Type.Null()], { description: "Audio that is paid by time" }),
  characters: count("Text that is paid by characters"),
  web_searches: count("Searches that the provider made"),
  service_tier: textOrNull("standard, batch, flex or priority"),
  estimated: Type.Boolean({ description: "The provider reported nothing, or not all: counted here" }),
  also_billed: Type.Array(Type.String(), {
    description: "Fields that the provider bills and no count here has",
  }),
  usage_raw: textOrNull("The provider's own usage object, as JSON"),
  cost_usd: textOrNull("A decimal; null: not known, or the model has no price"),
});

const exact = (what: string) => Type.Optional(Type.String({ description: `Exactly this ${what}` }));

const listQuery = Type.Object(
  {
    ...pageQuery,
    ...timeQuery,
    project_id: exact("project"),
    token_id: exact("token"),
    provider: exact("provider"),
    outcome: exact("outcome"),
    model: exact("model"),
    status: exact("status"),
    request_id: exact("request id"),
  },
  { additionalProperties: false },
);

/** The usage records: what was proxied, for whom, and how it ended. */
export function requestRoutes({ usage }: RouteDeps) {
  return routesOf()
    .get(
      "/manage/requests",
      async ({ query }) => {
        const times = readTimes(query);
        if (!times.ok) return problemResponse(times.error);
        if (query.status && !/^\d{3}$/.test(query.status))
          return problemResponse({ code: "validation_failed", error: "status must be an HTTP status code" });
        const page = readPage(query);
        const filter = {
          ...times.value,
          ...defined({
            projectId: query.project_id || undefined,
            tokenId: query.token_id || undefined,
            provider: query.provider || undefined,
            outcome: query.outcome || undefined,
            model: query.model || undefined,
            status: query.status ? Number(query.status) : undefined,
            requestId: query.request_id || undefined,
          }),
        };
        const listed = await usage.list(filter, toSlice(page));
        return Response.json({
          requests: listed.items.map(toJson),
          pagination: pagination(page, listed.total),
        });
      },
      {
        query: listQuery,
        detail: operation({
          tag: "Requests",
          summary: "List proxied requests",
          description: "Newest first.",
          status: 200,
          answer: Type.Object({ requests: Type.Array(requestSchema), pagination: paginationSchema }),
          problems: ["validation_failed"],
        }),
      },
    )
    .get(
      "/manage/requests/:request_id",
      async ({ params }) => {
        const record = await usage.find(params.request_id);
        return record === undefined
          ? problemResponse({ code: "request_not_found" })
          : Response.json(toJson(record));
      },
      {
        params: Type.Object({ request_id: Type.String({ description: "The id that the caller saw" }) }),
        detail: operation({
          tag: "Requests",
          summary: "Show a proxied request",
          status: 200,
          answer: requestSchema,
          problems: ["request_not_found"],
        }),
      },
    );
}

function toJson(record: UsageRecord): Static<typeof requestSchema> {
  return {
    request_id: record.requestId,
    timestamp: formatTime(record.atMs),
    project_id: record.projectId,
    token_id: record.tokenId,
    provider: record.provider || null,
    key_id: record.keyId || null,
    method: record.method,
    path: record.path,
    status: record.status,
    outcome: record.outcome,
    error_code: record.errorCode || null,
    stream: record.isStream,
    duration_ms: record.durationMs,
    ttfb_ms: record.ttfbMs,
    request_bytes: record.requestBytes,
    response_bytes: record.responseBytes,
    model: record.model || null,
    answered_model: record.answeredModel || null,
    ...usageFields(record.usage),
    also_billed: [...record.alsoBilled],
    usage_raw: record.usageRaw || null,
    cost_usd: record.costNanoUsd === null ? null : formatUsd(record.costNanoUsd),
  };
}

function usageFields(usage: Usage | null) {
  return {
    input_tokens: usage && usage.inputTokens,
    cached_input_tokens: usage && usage.cachedInputTokens,
    cache_write_tokens: usage && usage.cacheWriteTokens,
    cache_write_hour_tokens: usage && usage.cacheWriteHourTokens,
    audio_input_tokens: usage && usage.audioInputTokens,
    output_tokens: usage && usage.outputTokens,
    reasoning_tokens: usage && usage.reasoningTokens,
    audio_output_tokens: usage && usage.audioOutputTokens,
    images: usage && usage.images,
    audio_seconds: usage && usage.audioMs / 1000,
    characters: usage && usage.characters,
    web_searches: usage && usage.webSearches,
    service_tier: usage && usage.tier,
    estimated: usage?.source === "estimated",
  };
}
