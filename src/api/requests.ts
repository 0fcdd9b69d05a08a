import { type Static, Type } from "@sinclair/typebox";
import type { UsageRecord } from "../usage/record.ts";
import { operation } from "./openapi.ts";
import { pageQuery, pagination, paginationSchema, readPage, toSlice } from "./paging.ts";
import { problemResponse } from "./problem.ts";
import { defined, type RouteDeps, routesOf } from "./route.ts";
import { formatTime, readTimes, timeQuery } from "./time.ts";

const textOrNull = (description: string) => Type.Union([Type.String(), Type.Null()], { description });

const requestSchema = Type.Object({
  request_id: Type.String({ description: "As the caller saw it in x-llm-proxy-request-id" }),
  timestamp: Type.String({ description: "When it came" }),
  project_id: Type.String(),
  token_id: Type.String(),
  provider: textOrNull("null: refused before one was chosen"),
  key_id: textOrNull("Provider key that was used"),
  method: Type.String(),
  path: Type.String(),
  status: Type.Integer({ description: "499: the caller hung up before there was one" }),
  outcome: Type.String({
    description: "complete, client_cancelled, upstream_cut, upstream_timeout, upstream_error or refused",
  }),
  error_code: textOrNull("Code of our refusal"),
  stream: Type.Boolean(),
  duration_ms: Type.Number(),
  ttfb_ms: Type.Union([Type.Number(), Type.Null()], { description: "Until the provider's first byte" }),
  request_bytes: Type.Integer(),
  response_bytes: Type.Integer(),
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
  };
}
