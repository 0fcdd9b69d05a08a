import { type Static, Type } from "@sinclair/typebox";
import { type ProjectView, projectNameMax } from "../project/service.ts";
import { Secret } from "../secret.ts";
import { operation } from "./openapi.ts";
import { pageQuery, readOptionalPage } from "./paging.ts";
import { type Problem, problemResponse, projectProblem, tokenProblem } from "./problem.ts";
import { defined, isUuid, type RouteDeps, readFlag, routesOf } from "./route.ts";
import { formatTime } from "./time.ts";

const projectSchema = Type.Object({
  id: Type.String({ description: "UUID" }),
  name: Type.String({ examples: ["team-a"] }),
  provider: Type.String({ description: "The default provider", examples: ["openai"] }),
  api_key: Type.String({
    description: "The first key of the default provider, masked; empty where there is none",
    examples: ["sk-proj-...wxyz"],
  }),
  key_status: Type.Optional(
    Type.Literal("unreadable", {
      description: "Only where a key cannot be opened with the encryption key in use",
    }),
  ),
  is_active: Type.Boolean(),
  created_at: Type.String({ examples: ["2026-01-02T03:04:05.000Z"] }),
  updated_at: Type.String({ examples: ["2026-01-02T03:04:05.000Z"] }),
  deactivated_at: Type.Optional(Type.String({ description: "Only where it is not active" })),
});

const nameField = Type.String({ maxLength: projectNameMax, description: "Unique; trimmed" });
const providerField = Type.String({ maxLength: 255, description: "Name of a configured provider" });

const createBody = Type.Object(
  {
    name: nameField,
    api_key: Type.Optional(
      Type.String({
        description: "Key of the provider; needed unless the provider takes none (`auth: none`)",
      }),
    ),
    provider: Type.Optional(providerField),
  },
  { additionalProperties: false, examples: [{ name: "team-a", api_key: "sk-proj-…", provider: "openai" }] },
);

const patchBody = Type.Object(
  {
    name: Type.Optional(nameField),
    provider: Type.Optional(providerField),
    api_key: Type.Optional(
      Type.String({ description: "Replaces the first key of the default provider; empty leaves it" }),
    ),
    is_active: Type.Optional(Type.Boolean()),
    revoke_tokens: Type.Optional(Type.Boolean({ description: "Only together with is_active false" })),
  },
  { additionalProperties: false, examples: [{ is_active: false, revoke_tokens: true }] },
);

const listQuery = Type.Object(
  {
    ...pageQuery,
    is_active: Type.Optional(Type.Union([Type.Literal("true"), Type.Literal("false")])),
    search: Type.Optional(Type.String({ description: "Part of the name, in any case" })),
  },
  { additionalProperties: false },
);

/** The path parameter of one project. */
export const projectParams = Type.Object({ id: Type.String({ description: "UUID of the project" }) });

/** The answer to a path that cannot name a project. */
export const invalidProjectId: Problem = {
  code: "validation_failed",
  error: "invalid project id",
  description: "The id of a project is a UUID",
};

/** Projects: list, create, show, change, and the refusal to delete one. */
export function projectRoutes({ projects, tokens, callerOf }: RouteDeps) {
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
        detail: operation({
          tag: "Projects",
          summary: "List projects",
          description: "By name. With `page` or `page_size` one page, and the header `X-Total-Count`.",
          status: 200,
          answer: Type.Array(projectSchema),
          problems: ["validation_failed"],
        }),
      },
    )
    .post(
      "/manage/projects",
      async ({ body, request }) => {
        const wanted = {
          name: body.name,
          ...defined({
            provider: body.provider,
            apiKey: body.api_key === undefined ? undefined : new Secret(body.api_key),
          }),
        };
        const created = await projects.create(wanted, callerOf(request));
        if (created.ok) return Response.json(toJson(created.value), { status: 201 });
        const problem = projectProblem(created.error);
        const isMissing = body.name === "" || created.error.code === "key_required";
        return problemResponse(isMissing ? { ...problem, error: "name and api_key are required" } : problem);
      },
      {
        parse: "object",
        body: createBody,
        detail: operation({
          tag: "Projects",
          summary: "Create a project",
          status: 201,
          answer: projectSchema,
          problems: ["invalid_request_body", "validation_failed", "project_exists", "request_too_large"],
        }),
      },
    )
    .get(
      "/manage/projects/:id",
      async ({ params, request }) => {
        if (!isUuid(params.id)) return problemResponse(invalidProjectId);
        const found = await projects.get(params.id, callerOf(request));
        return found.ok ? Response.json(toJson(found.value)) : problemResponse(projectProblem(found.error));
      },
      {
        params: projectParams,
        detail: operation({
          tag: "Projects",
          summary: "Show a project",
          status: 200,
          answer: projectSchema,
          problems: ["validation_failed", "project_not_found"],
        }),
      },
    )
    .patch(
      "/manage/projects/:id",
      async ({ params, body, request }) => {
        if (!isUuid(params.id)) return problemResponse(invalidProjectId);
        const change = defined({
          name: body.name,
          provider: body.provider,
          apiKey: body.api_key === undefined ? undefined : new Secret(body.api_key),
          isActive: body.is_active,
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
        parse: "object",
        params: projectParams,
        body: patchBody,
        detail: operation({
          tag: "Projects",
          summary: "Change a project",
          description: "What is left out stays. It holds for the next proxied request.",
          status: 200,
          answer: Type.Composite([
            projectSchema,
            Type.Object({ tokens_revoked: Type.Optional(Type.Integer()) }),
          ]),
          problems: [
            "invalid_request_body",
            "validation_failed",
            "project_not_found",
            "project_exists",
            "request_too_large",
          ],
        }),
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
      async ({ params, request }) => {
        if (!isUuid(params.id)) return problemResponse(invalidProjectId);
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
        detail: operation({
          tag: "Projects",
          summary: "Revoke all tokens of a project",
          status: 200,
          answer: Type.Object({
            revoked_count: Type.Integer(),
            already_revoked_count: Type.Integer(),
            total_tokens: Type.Integer(),
          }),
          problems: ["validation_failed", "project_not_found"],
        }),
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
    created_at: formatTime(project.createdAtMs),
    updated_at: formatTime(project.updatedAtMs),
    ...(project.deactivatedAtMs !== null && { deactivated_at: formatTime(project.deactivatedAtMs) }),
  };
}
