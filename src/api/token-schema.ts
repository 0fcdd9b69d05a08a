import { Type } from "@sinclair/typebox";
import { durationMinutesMax } from "../token/service.ts";
import { limitFields, limitsShown } from "./limit-schema.ts";
import { operation } from "./openapi.ts";
import { pageQuery } from "./paging.ts";

const orNull = <T extends Parameters<typeof Type.Optional>[0]>(schema: T) =>
  Type.Union([schema, Type.Null()]);

/** A token as it is shown. */
export const tokenSchema = Type.Object({
  id: Type.String({ description: "UUID" }),
  token: Type.String({ description: "Masked", examples: ["sk-wt-…WxYz"] }),
  project_id: Type.String(),
  expires_at: Type.String({ examples: ["2026-01-02T04:04:05.000Z"] }),
  is_active: Type.Boolean({ description: "false once it was revoked, or expired and cleaned up" }),
  deactivated_at: orNull(Type.String()),
  request_count: Type.Integer({ description: "Requests that were forwarded to a provider" }),
  created_at: Type.String(),
  last_used_at: orNull(Type.String()),
  cache_hit_count: Type.Integer(),
  ...limitsShown,
});

const expiryFields = {
  duration_minutes: Type.Optional(
    Type.Integer({ description: `From now on, 1 to ${durationMinutesMax}; either this or expires_at` }),
  ),
  expires_at: Type.Optional(Type.String({ description: "RFC 3339, at most 365 days ahead" })),
};

/** Body of `POST`. */
export const createBody = Type.Object(
  {
    project_id: Type.String({ minLength: 1, description: "UUID of an active project" }),
    ...expiryFields,
    ...limitFields,
  },
  {
    additionalProperties: false,
    examples: [{ project_id: "7b0f2a6e-…", duration_minutes: 60, max_requests: 100, budget_usd: "5.00" }],
  },
);

/** The one answer that holds the text of a token. */
export const createdSchema = Type.Object({
  id: Type.String({ description: "UUID; the name of the token from now on" }),
  token: Type.String({ description: "Shown this once", examples: ["sk-wt-…"] }),
  project_id: Type.String(),
  expires_at: Type.String(),
  ...Type.Partial(Type.Object(limitsShown), { description: "Absent: no limit" }).properties,
});

/** Body of `PATCH`. */
export const patchBody = Type.Object(
  {
    is_active: Type.Optional(Type.Boolean({ description: "true is refused once the token has expired" })),
    ...expiryFields,
    ...limitFields,
  },
  { additionalProperties: false, examples: [{ max_requests: 500, rpm: null }] },
);

/** Query of the list. */
export const listQuery = Type.Object(
  {
    ...pageQuery,
    projectId: Type.Optional(Type.String({ description: "Tokens of this project" })),
    project_id: Type.Optional(Type.String({ description: "The same" })),
    is_active: Type.Optional(Type.Union([Type.Literal("true"), Type.Literal("false")])),
  },
  { additionalProperties: false },
);

/** The path parameter of one token. */
export const tokenParams = Type.Object({
  id: Type.String({ description: "UUID of the token, never its text" }),
});

/** What the reference says of each route of tokens. */
export const operations = {
  create: operation({
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
  list: operation({
    tag: "Tokens",
    summary: "List tokens",
    description: "Newest first. With `page` or `page_size` one page, and the header `X-Total-Count`.",
    status: 200,
    answer: Type.Array(tokenSchema),
    problems: ["validation_failed"],
  }),
  show: operation({
    tag: "Tokens",
    summary: "Show a token",
    status: 200,
    answer: tokenSchema,
    problems: ["token_not_found"],
  }),
  change: operation({
    tag: "Tokens",
    summary: "Change a token",
    description: "What is left out stays; counters are never touched. It holds for the next proxied request.",
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
  revoke: operation({
    tag: "Tokens",
    summary: "Revoke a token",
    description: "At once, and as often as you like.",
    status: 204,
    problems: ["token_not_found"],
  }),
};
