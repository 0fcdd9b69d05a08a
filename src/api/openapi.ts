import { swagger } from "@elysiajs/swagger";
import { type TSchema, Type } from "@sinclair/typebox";
import { type ProblemCode, problems } from "./problem.ts";

/** What the reference says of a route beyond its schema. */
export interface Operation {
  readonly tag: "Projects" | "Provider keys" | "Tokens" | "Audit" | "Requests" | "Usage" | "Cache";
  readonly summary: string;
  readonly description?: string;
  readonly status: number;
  /** Of the answer; absent where it has no body. */
  readonly answer?: TSchema;
  readonly problems: readonly ProblemCode[];
}

/** Problems that every management route can answer with. */
const common: readonly ProblemCode[] = [
  "unauthorized",
  "too_many_attempts",
  "storage_unavailable",
  "internal_error",
];

/** The `detail` of a management route. */
export function operation({ tag, summary, description, status, answer, problems: own }: Operation) {
  const failures = Object.groupBy([...own, ...common], (code) => String(problems[code].status));
  return {
    tags: [tag],
    summary,
    ...(description !== undefined && { description }),
    security: [{ managementToken: [] }],
    responses: {
      [status]: {
        description: summary,
        ...(answer && { content: { "application/json": { schema: answer as never } } }),
      },
      ...Object.fromEntries(
        Object.entries(failures).map(([failure, codes = []]) => [failure, failureResponse(codes)]),
      ),
    },
  };
}

function failureResponse(codes: readonly ProblemCode[]) {
  const [first] = codes;
  return {
    description: codes.map((code) => `\`${code}\``).join(", "),
    content: {
      "application/json": {
        schema: { $ref: "#/components/schemas/Error" },
        ...(first && {
          example: { error: problems[first].error, code: first, description: problems[first].description },
        }),
      },
    },
  };
}

const errorSchema = Type.Object({
  error: Type.String({ description: "What is wrong, as a sentence" }),
  code: Type.String({ description: "Stable; see the list of codes", enum: Object.keys(problems) }),
  description: Type.String({ description: "What to do" }),
});

/** Where the plugin's own page is moved; nobody may call it, it would load scripts from elsewhere. */
export const pluginPagePath = "/docs/plugin";

/** Describes the routes it is used beside, as OpenAPI at `/docs/json`. */
export function openapi(version: string) {
  return swagger({
    path: pluginPagePath,
    specPath: "/docs/json",
    excludeStaticFile: true,
    exclude: [/^\/docs/, pluginPagePath],
    documentation: {
      openapi: "3.1.0",
      info: {
        title: "llm-proxy management API",
        version,
        description:
          "Projects, provider keys, withering tokens, the audit trail and the requests that were proxied. Every route asks for the management token.",
      },
      tags: [
        { name: "Projects", description: "Tenants. They are deactivated, never deleted." },
        { name: "Provider keys", description: "The real credentials of a project; never shown again." },
        { name: "Tokens", description: "Withering tokens; their text is shown once, at creation." },
        { name: "Audit", description: "Who did what, from where, and how it ended." },
        { name: "Requests", description: "One record per proxied request." },
        { name: "Usage", description: "Sums of what was used, and what it costs." },
        { name: "Cache", description: "Answers that are kept; this version keeps none yet." },
      ],
      components: {
        securitySchemes: {
          managementToken: { type: "http", scheme: "bearer", description: "MANAGEMENT_TOKEN of the server" },
        },
        schemas: { Error: errorSchema as never },
      },
    },
  });
}
