import { Type } from "@sinclair/typebox";
import { projectNameMax } from "../project/service.ts";
import { limitFields, limitsShown } from "./limit-schema.ts";
import { operation } from "./openapi.ts";
import { pageQuery } from "./paging.ts";

/** A project as it is shown. */
export const projectSchema = Type.Object({
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
  expires_at: Type.Union([Type.String(), Type.Null()], { description: "null: never" }),
  request_count: Type.Integer({ description: "Requests that were forwarded to a provider" }),
  ...limitsShown,
  deactivated_at: Type.Optional(Type.String({ description: "Only where it is not active" })),
});

const nameField = Type.String({ maxLength: projectNameMax, description: "Unique; trimmed" });
const providerField = Type.String({ maxLength: 255, description: "Name of a configured provider" });

const settingFields = {
  expires_at: Type.Optional(
    Type.Union([Type.String(), Type.Null()], {
      description: "RFC 3339; from then on nothing passes; null: never",
    }),
  ),
  ...limitFields,
};

/** Body of `POST`. */
export const createBody = Type.Object(
  {
    name: nameField,
    api_key: Type.Optional(
      Type.String({
        description: "Key of the provider; needed unless the provider takes none (`auth: none`)",
      }),
    ),
    provider: Type.Optional(providerField),
    ...settingFields,
  },
  { additionalProperties: false, examples: [{ name: "team-a", api_key: "sk-proj-…", provider: "openai" }] },
);

/** Body of `PATCH`. */
export const patchBody = Type.Object(
  {
    name: Type.Optional(nameField),
    provider: Type.Optional(providerField),
    api_key: Type.Optional(
      Type.String({ description: "Replaces the first key of the default provider; empty leaves it" }),
    ),
    is_active: Type.Optional(Type.Boolean()),
    ...settingFields,
    revoke_tokens: Type.Optional(Type.Boolean({ description: "Only together with is_active false" })),
  },
  { additionalProperties: false, examples: [{ is_active: false, revoke_tokens: true }] },
);

/** Query of the list. */
export const listQuery = Type.Object(
  {
    ...pageQuery,
    is_active: Type.Optional(Type.Union([Type.Literal("true"), Type.Literal("false")])),
    search: Type.Optional(Type.String({ description: "Part of the name, in any case" })),
  },
  { additionalProperties: false },
);

/** The path parameter of one project. */
export const projectParams = Type.Object({ id: Type.String({ description: "UUID of the project" }) });

/** What the reference says of each route of projects. */
export const operations = {
  list: operation({
    tag: "Projects",
    summary: "List projects",
    description: "By name. With `page` or `page_size` one page, and the header `X-Total-Count`.",
    status: 200,
    answer: Type.Array(projectSchema),
    problems: ["validation_failed"],
  }),
  create: operation({
    tag: "Projects",
    summary: "Create a project",
    status: 201,
    answer: projectSchema,
    problems: ["invalid_request_body", "validation_failed", "project_exists", "request_too_large"],
  }),
  show: operation({
    tag: "Projects",
    summary: "Show a project",
    status: 200,
    answer: projectSchema,
    problems: ["validation_failed", "project_not_found"],
  }),
  change: operation({
    tag: "Projects",
    summary: "Change a project",
    description: "What is left out stays. It holds for the next proxied request.",
    status: 200,
    answer: Type.Composite([projectSchema, Type.Object({ tokens_revoked: Type.Optional(Type.Integer()) })]),
    problems: [
      "invalid_request_body",
      "validation_failed",
      "project_not_found",
      "project_exists",
      "request_too_large",
    ],
  }),
  revokeTokens: operation({
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
};
