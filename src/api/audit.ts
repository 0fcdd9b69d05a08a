import { type Static, Type } from "@sinclair/typebox";
import type { AuditEntry } from "../audit/entry.ts";
import { operation } from "./openapi.ts";
import { pageQuery, pagination, paginationSchema, readPage, toSlice } from "./paging.ts";
import { problemResponse } from "./problem.ts";
import { defined, type RouteDeps, routesOf } from "./route.ts";
import { formatTime, readTimes, timeQuery } from "./time.ts";

const optional = Type.Optional(Type.String());

const eventSchema = Type.Object({
  id: Type.String({ description: "UUID" }),
  timestamp: Type.String(),
  action: Type.String({ examples: ["token.create"] }),
  actor: Type.String({ examples: ["management_api"] }),
  project_id: optional,
  request_id: optional,
  correlation_id: optional,
  client_ip: optional,
  method: optional,
  path: optional,
  user_agent: optional,
  outcome: Type.String({ examples: ["success", "failure", "denied", "error"] }),
  reason: optional,
  token_id: optional,
  metadata: Type.Optional(Type.String({ description: "JSON text", examples: ['{"token_count":3}'] })),
});

const exact = (what: string) => Type.Optional(Type.String({ description: `Exactly this ${what}` }));

const listQuery = Type.Object(
  {
    ...pageQuery,
    ...timeQuery,
    action: exact("action"),
    actor: exact("actor"),
    outcome: exact("outcome"),
    project_id: exact("project"),
    token_id: exact("token"),
    client_ip: exact("address"),
    request_id: exact("request id"),
    correlation_id: exact("correlation id"),
    method: exact("method"),
    path: exact("path"),
    search: Type.Optional(
      Type.String({
        description:
          "Part of request_id, correlation_id, client_ip, action, actor, method, path, reason or metadata, in any case",
      }),
    ),
  },
  { additionalProperties: false },
);

/** The audit trail, as far as it is kept in the database. */
export function auditRoutes({ audit, callerOf, refuse }: RouteDeps) {
  return routesOf()
    .get(
      "/manage/audit",
      async ({ query, request, route }) => {
        const caller = callerOf(request);
        if (audit.trail === undefined) return problemResponse({ code: "audit_unavailable" });
        const times = readTimes(query);
        if (!times.ok) return refuse({ request, route }, times.error);
        const page = readPage(query);
        const listed = await audit.trail.list({ ...times.value, ...readFilter(query) }, toSlice(page));
        audit.record("audit.list", "success", caller, {
          details: {
            events_count: listed.items.length,
            page: page.page,
            page_size: page.pageSize,
            total_count: listed.total,
          },
        });
        return Response.json({
          events: listed.items.map(toJson),
          pagination: pagination(page, listed.total),
        });
      },
      {
        query: listQuery,
        detail: operation({
          tag: "Audit",
          summary: "List audit events",
          description: "Newest first.",
          status: 200,
          answer: Type.Object({ events: Type.Array(eventSchema), pagination: paginationSchema }),
          problems: ["validation_failed", "audit_unavailable"],
        }),
      },
    )
    .get(
      "/manage/audit/:id",
      async ({ params, request }) => {
        const caller = callerOf(request);
        if (audit.trail === undefined) return problemResponse({ code: "audit_unavailable" });
        const entry = await audit.trail.find(params.id);
        audit.record("audit.show", entry === undefined ? "failure" : "success", caller, {
          details: { audit_event_id: params.id.slice(0, 100) },
          ...(entry === undefined && { reason: "audit_event_not_found" }),
        });
        return entry === undefined
          ? problemResponse({ code: "audit_event_not_found" })
          : Response.json(toJson(entry));
      },
      {
        params: Type.Object({ id: Type.String({ description: "UUID of the event" }) }),
        detail: operation({
          tag: "Audit",
          summary: "Show an audit event",
          status: 200,
          answer: eventSchema,
          problems: ["audit_event_not_found", "audit_unavailable"],
        }),
      },
    );
}

/** An empty parameter is none, as a form sends it. */
function readFilter(query: Static<typeof listQuery>) {
  return defined({
    action: query.action || undefined,
    actor: query.actor || undefined,
    outcome: query.outcome || undefined,
    projectId: query.project_id || undefined,
    tokenId: query.token_id || undefined,
    clientIp: query.client_ip || undefined,
    requestId: query.request_id || undefined,
    correlationId: query.correlation_id || undefined,
    method: query.method || undefined,
    path: query.path || undefined,
    search: query.search || undefined,
  });
}

function toJson(entry: AuditEntry): Static<typeof eventSchema> {
  const { details } = entry;
  return {
    id: entry.id,
    timestamp: formatTime(entry.atMs),
    action: entry.action,
    actor: entry.actor,
    outcome: entry.outcome,
    ...defined({
      project_id: entry.projectId || undefined,
      token_id: entry.tokenId || undefined,
      request_id: entry.requestId || undefined,
      correlation_id: entry.correlationId || undefined,
      client_ip: entry.clientIp || undefined,
      method: entry.method || undefined,
      path: entry.path || undefined,
      user_agent: entry.userAgent || undefined,
      reason: entry.reason || undefined,
      metadata: Object.keys(details).length === 0 ? undefined : JSON.stringify(details),
    }),
  };
}
