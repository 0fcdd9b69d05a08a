import { type Static, Type } from "@sinclair/typebox";
import { maskToken } from "../token/secret.ts";
import { durationMinutesMax, maxRequestsMax } from "../token/service.ts";
import type { Token } from "../token/token.ts";
import { operation } from "./openapi.ts";
import { pageQuery, readOptionalPage } from "./paging.ts";
import { problemResponse, tokenProblem } from "./problem.ts";
import { defined, type RouteDeps, readFlag, routesOf } from "./route.ts";
import { formatOptionalTime, formatTime, readTime } from "./time.ts";

const orNull = <T extends Parameters<typeof Type.Optional>[0]>(schema: T) =>
  Type.Union([schema, Type.Null()]);

const tokenSchema = Type.Object({
  id: Type.String({ description: "UUID" }),
  token: Type.String({ description: "Masked", examples: ["sk-wt-…WxYz"] }),
  project_id: Type.String(),
  expires_at: Type.String({ examples: ["2026-01-02T04:04:05.000Z"] }),
  is_active: Type.Boolean({ description: "false once it was revoked, or expired and cleaned up" }),
  deactivated_at: orNull(Type.String()),
  request_count: Type.Integer({ description: "Requests that were forwarded to a provider" }),
  max_requests: orNull(Type.Integer({ description: "null: no limit" })),
  created_at: Type.String(),
  last_used_at: orNull(Type.String()),
  cache_hit_count: Type.Integer(),
});

const maxRequestsField = Type.Optional(
  orNull(Type.Integer({ description: `0 and null: no limit; at most ${maxRequestsMax}` })),
);

const createBody = Type.Object(
  {
    project_id: Type.String({ minLength: 1, description: "UUID of an active project" }),
    duration_minutes: Type.Optional(
      Type.Integer({ description: `1 to ${durationMinutesMax}; either this or expires_at` }),
    ),
    expires_at: Type.Optional(Type.String({ description: "RFC 3339, at most 365 days ahead" })),
    max_requests: maxRequestsField,
  },
  {
    additionalProperties: false,
    examples: [{ project_id: "7b0f2a6e-…", duration_minutes: 60, max_requests: 100 }],
  },
);

const createdSchema = Type.Object({
  id: Type.String({ description: "UUID; the name of the token from now on" }),
  token: Type.String({ description: "Shown this once", examples: ["sk-wt-…"] }),
  project_id: Type.String(),
  expires_at: Type.String(),
  max_requests: Type.Optional(Type.Integer({ description: "Absent: no limit" })),
});

const patchBody = Type.Object(
  {
    is_active: Type.Optional(Type.Boolean({ description: "true is refused once the token has expired" })),
    max_requests: maxRequestsField,
  },
  { additionalProperties: false, examples: [{ max_requests: 500 }] },
);

const listQuery = Type.Object(
  {
    ...pageQuery,
    projectId: Type.Optional(Type.String({ description: "Tokens of this project" })),
    project_id: Type.Optional(Type.String({ description: "The same" })),
    is_active: Type.Optional(Type.Union([Type.Literal("true"), Type.Literal("false")])),
  },
  { additionalProperties: false },
);

const tokenParams = Type.Object({ id: Type.String({ description: "UUID of the token, never its text" }) });

/** Tokens: issue, list, show, change, revoke. */
export function tokenRoutes({ tokens, callerOf }: RouteDeps) {
  return routesOf()
    .post(
      "/manage/tokens",
      async ({ body, request }) => {
        const expiry = body.expires_at === undefined ? undefined : readTime("expires_at", body.expires_at);
        if (expiry?.ok === false) return problemResponse(expiry.error);
        const wanted = {
          projectId: body.project_id,
          ...defined({
            durationMinutes: body.duration_minutes,
            expiresAtMs: expiry?.value,
            maxRequests: body.max_requests,
          }),
        };
        const issued = await tokens.issue(wanted, callerOf(request));
        if (!issued.ok) return problemResponse(tokenProblem(issued.error));
        const { token, text } = issued.value;
        const created: Static<typeof createdSchema> = {
          id: token.id,
          token: text,
          project_id: token.projectId,
          expires_at: formatTime(token.expiresAtMs),
          ...(token.maxRequests !== null && { max_requests: token.maxRequests }),
        };
        return Response.json(created, { status: 201 });
      },
      {
        parse: "object",
        body: createBody,
        detail: operation({
          tag: "Tokens",
          summary: "Create a token",
          description: "The only answer that holds its text.",
          status: 201,
          answer: createdSchema,
          problems: [
            "invalid_request_body",
            "validation_failed",
            "project_not_found",
            "project_inactive",
            "request_too_large",
          ],
        }),
      },
    )
    .get(
      "/manage/tokens",
      async ({ query, request }) => {
        const page = readOptionalPage(query);
        const filter = defined({
          projectId: query.projectId || query.project_id || undefined,
          isActive: readFlag(query.is_active),
        });
        const listed = await tokens.list(filter, page, callerOf(request));
        return Response.json(
          listed.items.map(toJson),
          page && { headers: { "x-total-count": String(listed.total) } },
        );
      },
      {
        query: listQuery,
        detail: operation({
          tag: "Tokens",
          summary: "List tokens",
          description: "Newest first. With `page` or `page_size` one page, and the header `X-Total-Count`.",
          status: 200,
          answer: Type.Array(tokenSchema),
          problems: ["validation_failed"],
        }),
      },
    )
    .get(
      "/manage/tokens/:id",
      async ({ params, request }) => {
        const found = await tokens.get(params.id, callerOf(request));
        return found.ok ? Response.json(toJson(found.value)) : problemResponse(tokenProblem(found.error));
      },
      {
        params: tokenParams,
        detail: operation({
          tag: "Tokens",
          summary: "Show a token",
          status: 200,
          answer: tokenSchema,
          problems: ["token_not_found"],
        }),
      },
    )
    .patch(
      "/manage/tokens/:id",
      async ({ params, body, request }) => {
        const change = defined({ isActive: body.is_active, maxRequests: body.max_requests });
        const updated = await tokens.update(params.id, change, callerOf(request));
        return updated.ok
          ? Response.json(toJson(updated.value))
          : problemResponse(tokenProblem(updated.error));
      },
      {
        parse: "object",
        params: tokenParams,
        body: patchBody,
        detail: operation({
          tag: "Tokens",
          summary: "Change a token",
          description:
            "What is left out stays; counters are never touched. It holds for the next proxied request.",
          status: 200,
          answer: tokenSchema,
          problems: [
            "invalid_request_body",
            "validation_failed",
            "token_not_found",
            "token_expired",
            "request_too_large",
          ],
        }),
      },
    )
    .delete(
      "/manage/tokens/:id",
      async ({ params, request }) => {
        const revoked = await tokens.revoke(params.id, callerOf(request));
        return revoked.ok
          ? new Response(null, { status: 204 })
          : problemResponse(tokenProblem(revoked.error));
      },
      {
        params: tokenParams,
        detail: operation({
          tag: "Tokens",
          summary: "Revoke a token",
          description: "At once, and as often as you like.",
          status: 204,
          problems: ["token_not_found"],
        }),
      },
    );
}

function toJson(token: Token): Static<typeof tokenSchema> {
  return {
    id: token.id,
    token: maskToken(token.hint),
    project_id: token.projectId,
    expires_at: formatTime(token.expiresAtMs),
    is_active: token.isActive,
    deactivated_at: formatOptionalTime(token.deactivatedAtMs),
    request_count: token.requestCount,
    max_requests: token.maxRequests,
    created_at: formatTime(token.createdAtMs),
    last_used_at: formatOptionalTime(token.lastUsedAtMs),
    cache_hit_count: token.cacheHitCount,
  };
}
