import type { Static } from "@sinclair/typebox";
import { maskToken } from "../token/secret.ts";
import type { Token } from "../token/token.ts";
import { limitsToJson, toWanted } from "./limit-schema.ts";
import { readOptionalPage } from "./paging.ts";
import { problemResponse, tokenProblem } from "./problem.ts";
import { asObject, defined, type RouteDeps, readFlag, routesOf } from "./route.ts";
import { formatOptionalTime, formatTime, readTime } from "./time.ts";
import {
  createBody,
  type createdSchema,
  listQuery,
  operations,
  patchBody,
  tokenParams,
  type tokenSchema,
} from "./token-schema.ts";

/** Tokens: issue, list, show, change, revoke. */
export function tokenRoutes({ tokens, callerOf, refuse }: RouteDeps) {
  return routesOf()
    .post(
      "/manage/tokens",
      async ({ body, request, route }) => {
        const expiry = body.expires_at === undefined ? undefined : readTime("expires_at", body.expires_at);
        if (expiry?.ok === false) return refuse({ request, route }, expiry.error);
        const wanted = {
          projectId: body.project_id,
          ...defined({
            durationMinutes: body.duration_minutes,
            expiresAtMs: expiry?.value,
          }),
          ...toWanted(body),
        };
        const issued = await tokens.issue(wanted, callerOf(request));
        if (!issued.ok) return problemResponse(tokenProblem(issued.error));
        const { token, text } = issued.value;
        const created: Static<typeof createdSchema> = {
          id: token.id,
          token: text,
          project_id: token.projectId,
          expires_at: formatTime(token.expiresAtMs),
          ...onlySet(limitsToJson(token.limits)),
        };
        return Response.json(created, { status: 201 });
      },
      {
        parse: asObject,
        body: createBody,
        detail: operations.create,
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
        detail: operations.list,
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
        detail: operations.show,
      },
    )
    .patch(
      "/manage/tokens/:id",
      async ({ params, body, request, route }) => {
        const expiry = body.expires_at === undefined ? undefined : readTime("expires_at", body.expires_at);
        if (expiry?.ok === false) return refuse({ request, route }, expiry.error);
        const change = {
          ...defined({
            isActive: body.is_active,
            durationMinutes: body.duration_minutes,
            expiresAtMs: expiry?.value,
          }),
          ...toWanted(body),
        };
        const updated = await tokens.update(params.id, change, callerOf(request));
        return updated.ok
          ? Response.json(toJson(updated.value))
          : problemResponse(tokenProblem(updated.error));
      },
      {
        parse: asObject,
        params: tokenParams,
        body: patchBody,
        detail: operations.change,
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
        detail: operations.revoke,
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
    created_at: formatTime(token.createdAtMs),
    last_used_at: formatOptionalTime(token.lastUsedAtMs),
    cache_hit_count: token.cacheHitCount,
    ...limitsToJson(token.limits),
  };
}

/** Of a new token only the limits that it has are told. */
function onlySet({ budget_period, unpriced, ...limits }: ReturnType<typeof limitsToJson>) {
  const budget = limits.budget_usd === null ? {} : { budget_period, unpriced };
  return {
    ...defined(Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== null))),
    ...budget,
  };
}
