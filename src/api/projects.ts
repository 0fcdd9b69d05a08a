import type { Static } from "@sinclair/typebox";
import type { ProjectView } from "../project/service.ts";
import { Secret } from "../secret.ts";
import { limitsToJson, toWanted } from "./limit-schema.ts";
import { readOptionalPage } from "./paging.ts";
import { type Problem, problemResponse, projectProblem, tokenProblem } from "./problem.ts";
import {
  createBody,
  listQuery,
  operations,
  patchBody,
  projectParams,
  type projectSchema,
} from "./project-schema.ts";
import { asObject, defined, isUuid, type RouteDeps, readFlag, routesOf } from "./route.ts";
import { formatOptionalTime, formatTime, readOptionalTime } from "./time.ts";

/** The answer to a path that cannot name a project. */
export const invalidProjectId: Problem = {
  code: "validation_failed",
  field: "id",
  error: "invalid project id",
  description: "The id of a project is a UUID",
};

/** Projects: list, create, show, change, and the refusal to delete one. */
export function projectRoutes({ projects, tokens, callerOf, refuse }: RouteDeps) {
  return routesOf()
    .get(
      "/manage/projects",
      async ({ query, request }) => {
        const page = readOptionalPage(query);
        const filter = defined({ isActive: readFlag(query.is_active), search: query.search || undefined });
        const listed = await projects.list(filter, page, callerOf(request));
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
    .post(
      "/manage/projects",
      async ({ body, request, route }) => {
        const expiry = readOptionalTime("expires_at", body.expires_at);
        if (!expiry.ok) return refuse({ request, route }, expiry.error);
        const wanted = {
          name: body.name,
          ...toWanted(body),
          ...defined({
            provider: body.provider,
            apiKey: body.api_key === undefined ? undefined : new Secret(body.api_key),
            expiresAtMs: expiry.value,
          }),
        };
        const created = await projects.create(wanted, callerOf(request));
        if (created.ok) return Response.json(toJson(created.value), { status: 201 });
        const problem = projectProblem(created.error);
        const isMissing = body.name === "" || created.error.code === "key_required";
        return problemResponse(isMissing ? { ...problem, error: "name and api_key are required" } : problem);
      },
      {
        parse: asObject,
        body: createBody,
        detail: operations.create,
      },
    )
    .get(
      "/manage/projects/:id",
      async ({ params, request, route }) => {
        if (!isUuid(params.id)) return refuse({ request, route }, invalidProjectId);
        const found = await projects.get(params.id, callerOf(request));
        return found.ok ? Response.json(toJson(found.value)) : problemResponse(projectProblem(found.error));
      },
      {
        params: projectParams,
        detail: operations.show,
      },
    )
    .patch(
      "/manage/projects/:id",
      async ({ params, body, request, route }) => {
        if (!isUuid(params.id)) return refuse({ request, route }, invalidProjectId);
        const expiry = readOptionalTime("expires_at", body.expires_at);
        if (!expiry.ok) return refuse({ request, route }, expiry.error);
        const change = defined({
          ...toWanted(body),
          name: body.name,
          provider: body.provider,
          apiKey: body.api_key === undefined ? undefined : new Secret(body.api_key),
          isActive: body.is_active,
          expiresAtMs: expiry.value,
          revokeTokens: body.revoke_tokens,
        });
        const updated = await projects.update(params.id, change, callerOf(request));
        if (!updated.ok) return problemResponse(projectProblem(updated.error));
        const { tokensRevoked } = updated.value;
        return Response.json({
          ...toJson(updated.value),
          ...(tokensRevoked !== undefined && { tokens_revoked: tokensRevoked }),
        });
      },
      {
        parse: asObject,
        params: projectParams,
        body: patchBody,
        detail: operations.change,
      },
    )
    .delete(
      "/manage/projects/:id",
      ({ params, request }) => {
        projects.refuseDelete(params.id, callerOf(request));
        return problemResponse({
          code: "method_not_allowed",
          message: "project deletion is not permitted",
          description: "Deactivate it instead: PATCH with is_active false",
          headers: { allow: "GET, PATCH" },
        });
      },
      { params: projectParams, detail: { hide: true } },
    )
    .post(
      "/manage/projects/:id/tokens/revoke",
      async ({ params, request, route }) => {
        if (!isUuid(params.id)) return refuse({ request, route }, invalidProjectId);
        const revoked = await tokens.revokeAll(params.id, callerOf(request));
        if (!revoked.ok) return problemResponse(tokenProblem(revoked.error));
        return Response.json({
          revoked_count: revoked.value.revoked,
          already_revoked_count: revoked.value.alreadyRevoked,
          total_tokens: revoked.value.total,
        });
      },
      {
        parse: "none",
        params: projectParams,
        detail: operations.revokeTokens,
      },
    );
}

function toJson({ project, keyHint, keys }: ProjectView): Static<typeof projectSchema> {
  return {
    id: project.id,
    name: project.name,
    provider: project.provider,
    api_key: keyHint,
    ...(keys.some((key) => key.status === "unreadable") && { key_status: "unreadable" as const }),
    is_active: project.isActive,
    expires_at: formatOptionalTime(project.expiresAtMs),
    request_count: project.requestCount,
    ...limitsToJson(project.limits),
    created_at: formatTime(project.createdAtMs),
    updated_at: formatTime(project.updatedAtMs),
    ...(project.deactivatedAtMs !== null && { deactivated_at: formatTime(project.deactivatedAtMs) }),
  };
}
