import { type Static, Type } from "@sinclair/typebox";
import { operation } from "./openapi.ts";
import { type ProblemCode, problemResponse } from "./problem.ts";
import { asObject, defined, type RouteDeps, routesOf } from "./route.ts";

const purgeBody = Type.Object(
  {
    method: Type.Optional(Type.String({ description: "With url: the one entry to purge" })),
    url: Type.Optional(
      Type.String({ description: "Path, with its query if it has one; the host does not count" }),
    ),
    prefix: Type.Optional(
      Type.String({ description: "Every entry whose path begins so, in place of method and url" }),
    ),
    project_id: Type.Optional(Type.String({ description: "Only entries of this project" })),
    all: Type.Optional(Type.Boolean({ description: "Every entry, in place of all of these" })),
  },
  { additionalProperties: false, examples: [{ method: "GET", url: "/v1/models" }] },
);

type Purge = Static<typeof purgeBody>;

/** The cache of answers, which this version does not have: a purge that is well-formed is told so (contract 1.4). */
export function cacheRoutes({ audit, callerOf }: RouteDeps) {
  return routesOf().post(
    "/manage/cache/purge",
    ({ body, request }) => {
      const { code, reason, error } = refusalOf(body);
      audit.record("cache.purge", "failure", callerOf(request), {
        reason,
        ...defined({ projectId: body.project_id }),
        details: defined({
          purge_type: typeOf(body),
          method: body.method?.slice(0, 20),
          url: pathOf(body.url ?? ""),
          prefix: pathOf(body.prefix ?? ""),
        }),
      });
      return problemResponse({ code, ...defined({ error }) });
    },
    {
      parse: asObject,
      body: purgeBody,
      detail: operation({
        tag: "Cache",
        summary: "Purge cached answers",
        description:
          "This version has no response cache yet: every valid call is answered with `caching_disabled`.",
        status: 200,
        answer: Type.Object({
          deleted: Type.Union([Type.Boolean(), Type.Integer()], {
            description: "Whether there was the one entry; for prefix and all how many there were",
          }),
        }),
        problems: [
          "invalid_request_body",
          "validation_failed",
          "invalid_url",
          "caching_disabled",
          "request_too_large",
        ],
      }),
    },
  );
}

interface Refusal {
  readonly code: ProblemCode;
  /** For the audit trail. */
  readonly reason: "missing_fields" | "invalid_url" | "caching_disabled";
  readonly error?: string;
}

function refusalOf(purge: Purge): Refusal {
  const { method, url, prefix } = purge;
  const type = typeOf(purge);
  if (type === "exact" && (!method || !url))
    return { code: "validation_failed", reason: "missing_fields", error: "method and url are required" };
  const path = type === "prefix" ? prefix : url;
  if (type !== "all" && pathOf(path ?? "") === undefined)
    return { code: "invalid_url", reason: "invalid_url" };
  return { code: "caching_disabled", reason: "caching_disabled" };
}

function typeOf({ all, prefix }: Purge): "all" | "prefix" | "exact" {
  if (all) return "all";
  return prefix ? "prefix" : "exact";
}

/** The path of an address, or of what is one but for the host; without the query, which may hold a secret. */
function pathOf(text: string): string | undefined {
  const isAddress = /^(?:\/(?!\/)|https?:\/\/)/i.test(text);
  return isAddress ? URL.parse(text, "http://cache.internal")?.pathname.slice(0, 500) : undefined;
}
