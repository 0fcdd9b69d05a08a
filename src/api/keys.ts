import { type Static, Type } from "@sinclair/typebox";
import type { ProviderKeyView } from "../project/provider-key.ts";
import { Secret } from "../secret.ts";
import { operation } from "./openapi.ts";
import { problemResponse, projectProblem } from "./problem.ts";
import { projectParams } from "./project-schema.ts";
import { invalidProjectId } from "./projects.ts";
import { asObject, defined, isUuid, type RouteDeps, routesOf } from "./route.ts";
import { formatTime } from "./time.ts";

const keySchema = Type.Object({
  id: Type.String({ description: "UUID" }),
  project_id: Type.String(),
  provider: Type.String({ examples: ["openai"] }),
  name: Type.String({ examples: ["default"] }),
  weight: Type.Integer({ description: "Share of the traffic among the keys of one provider: 1 to 1000" }),
  api_key: Type.String({ description: "Masked", examples: ["sk-proj-...wxyz"] }),
  key_status: Type.Union([Type.Literal("ok"), Type.Literal("unreadable")]),
  resting_until: Type.Optional(
    Type.String({
      description: "Only while the provider has refused the key and this server leaves it alone",
    }),
  ),
  last_status: Type.Optional(Type.Integer({ description: "That refusal: 401, 403 or 429", examples: [429] })),
  created_at: Type.String(),
});

const addBody = Type.Object(
  {
    api_key: Type.String({ description: "The key as the provider shows it" }),
    provider: Type.Optional(Type.String({ maxLength: 255, description: "Default: that of the project" })),
    name: Type.Optional(
      Type.String({
        maxLength: 100,
        description: "Unique for the provider; default `default`, then `key-2` …",
      }),
    ),
    weight: Type.Optional(Type.Integer({ description: "1 to 1000, default 1" })),
  },
  {
    additionalProperties: false,
    examples: [{ provider: "anthropic", api_key: "sk-ant-…", name: "second", weight: 2 }],
  },
);

const keyParams = Type.Object({
  id: Type.String({ description: "UUID of the project" }),
  key_id: Type.String({ description: "UUID of the key" }),
});

/** The pool of provider keys of a project. */
export function keyRoutes({ projects: { keys }, callerOf, refuse }: RouteDeps) {
  return routesOf()
    .get(
      "/manage/projects/:id/keys",
      async ({ params, request, route }) => {
        if (!isUuid(params.id)) return refuse({ request, route }, invalidProjectId);
        const listed = await keys.list(params.id, callerOf(request));
        return listed.ok
          ? Response.json(listed.value.map(toJson))
          : problemResponse(projectProblem(listed.error));
      },
      {
        params: projectParams,
        detail: operation({
          tag: "Provider keys",
          summary: "List the keys of a project",
          description: "Oldest first; the keys themselves are masked.",
          status: 200,
          answer: Type.Array(keySchema),
          problems: ["validation_failed", "project_not_found"],
        }),
      },
    )
    .post(
      "/manage/projects/:id/keys",
      async ({ params, body, request, route }) => {
        if (!isUuid(params.id)) return refuse({ request, route }, invalidProjectId);
        const { provider, name, weight } = body;
        const wanted = { text: new Secret(body.api_key), ...defined({ provider, name, weight }) };
        const added = await keys.add(params.id, wanted, callerOf(request));
        return added.ok
          ? Response.json(toJson(added.value), { status: 201 })
          : problemResponse(projectProblem(added.error));
      },
      {
        parse: asObject,
        params: projectParams,
        body: addBody,
        detail: operation({
          tag: "Provider keys",
          summary: "Add a key to a project",
          status: 201,
          answer: keySchema,
          problems: [
            "invalid_request_body",
            "validation_failed",
            "project_not_found",
            "key_exists",
            "request_too_large",
          ],
        }),
      },
    )
    .delete(
      "/manage/projects/:id/keys/:key_id",
      async ({ params, request, route }) => {
        if (!isUuid(params.id)) return refuse({ request, route }, invalidProjectId);
        const removed = await keys.remove(params.id, params.key_id, callerOf(request));
        return removed.ok
          ? new Response(null, { status: 204 })
          : problemResponse(projectProblem(removed.error));
      },
      {
        params: keyParams,
        detail: operation({
          tag: "Provider keys",
          summary: "Remove a key from a project",
          status: 204,
          problems: ["validation_failed", "key_not_found"],
        }),
      },
    );
}

function toJson(key: ProviderKeyView): Static<typeof keySchema> {
  return {
    id: key.id,
    project_id: key.projectId,
    provider: key.provider,
    name: key.name,
    weight: key.weight,
    api_key: key.hint,
    key_status: key.status,
    ...(key.rest && { resting_until: formatTime(key.rest.untilMs), last_status: key.rest.status }),
    created_at: formatTime(key.createdAtMs),
  };
}
