import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import type { RefusalCode } from "../../src/proxy/refuse.ts";
import { makeTokenText } from "../../src/token/secret.ts";
import { freePort } from "../harness/free-port.ts";
import type { Headers } from "../harness/http-message.ts";
import { headerValue } from "../harness/http-message.ts";
import type { RawResponse } from "../harness/raw-client.ts";
import { echo, fin, hold, readBody } from "../harness/upstream-steps.ts";
import { jsonOf, type Lab, type LabRequest, openLab } from "./lab.ts";

type DialectName = "openai" | "anthropic" | "gemini" | "none";
const dialects: readonly DialectName[] = ["openai", "anthropic", "gemini", "none"];

/** Type or status word that the family's own errors have for a status; undefined where the shape has none. */
const words: Record<DialectName, Record<number, string>> = {
  openai: {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    405: "invalid_request_error",
    413: "invalid_request_error",
    415: "invalid_request_error",
    429: "rate_limit_error",
    500: "server_error",
    502: "server_error",
    503: "server_error",
    504: "server_error",
  },
  anthropic: {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    413: "request_too_large",
    415: "invalid_request_error",
    429: "rate_limit_error",
    500: "api_error",
    502: "api_error",
    503: "api_error",
    504: "timeout_error",
  },
  gemini: {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    413: "INVALID_ARGUMENT",
    415: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    502: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
  },
  none: {},
};

/** All that a refusal has to be in a dialect. */
function expectRefusal(answer: RawResponse, status: number, code: RefusalCode, dialect: DialectName): void {
  const header = (name: string) => headerValue(answer.headers, name);
  const requestId = header("x-llm-proxy-request-id") ?? "";
  expect([answer.status, header("x-llm-proxy-error")]).toEqual([status, code]);
  expect(answer.complete).toBe(true);
  expect(header("content-type")).toBe("application/json");
  expect(requestId).toMatch(/^[0-9a-f-]{36}$/);
  expect(header("x-request-id")).toBe(requestId);
  expect(header("request-id")).toBe(dialect === "anthropic" ? requestId : undefined);
  expect(header("x-should-retry")).toMatch(/^(true|false)$/);
  expect(header("x-proxy")).toBe("llm-proxy");
  expect(header("www-authenticate")).toBe(status === 401 ? "Bearer" : undefined);
  const word = words[dialect][status] ?? "";
  const message = expect.stringMatching(/./);
  const shapes: Record<DialectName, unknown> = {
    openai: { error: { message, type: word, param: null, code } },
    anthropic: { type: "error", error: { type: word, message, code }, request_id: requestId },
    gemini: {
      error: {
        code: status,
        message,
        status: word,
        details: [{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: code, domain: "llm-proxy" }],
      },
    },
    none: { error: message, code, description: expect.any(String) },
  };
  expect(jsonOf(answer)).toEqual(shapes[dialect]);
}

/** A lab whose project is of a provider of that dialect, with more YAML for the provider. */
async function openDialectLab(dialect: DialectName, more = "", env: Record<string, string> = {}) {
  const lab = await openLab({
    env,
    providers: `  tried:
    base_url: $UPSTREAM
    dialect: ${dialect}
    auth: bearer
    allowed_methods: [GET, POST]
    allowed_endpoints: [/v1, /v1beta]
${more}`,
  });
  const project = await lab.app.newProject({ provider: "tried" });
  const { token, id } = await lab.app.newToken(project.id);
  return Object.assign(lab, { project, token, tokenId: id });
}

interface Case {
  readonly code: RefusalCode;
  readonly status: number;
  /** YAML of the provider. */
  readonly more?: string;
  readonly env?: Record<string, string>;
  readonly target?: string;
  readonly request?: LabRequest;
  readonly prepare?: (lab: Lab) => Promise<unknown> | unknown;
  /** Header fields that this code has on top. */
  readonly headers?: Headers;
  readonly retry?: "true";
}

const json: Headers = [["Content-Type", "application/json"]];
const cases: readonly Case[] = [
  {
    code: "method_not_allowed",
    status: 405,
    request: { method: "PUT" },
    headers: [["allow", "GET, POST, HEAD"]],
  },
  { code: "endpoint_not_found", status: 404, target: "/other" },
  { code: "invalid_path", status: 400, target: "/v1/..%2Fother" },
  {
    code: "origin_not_allowed",
    status: 403,
    more: "    allowed_origins: [https://app.example]\n",
    request: { headers: [["Origin", "https://evil.example"]] },
  },
  { code: "origin_required", status: 400, more: "    required_headers: [origin]\n" },
  { code: "header_required", status: 400, more: "    required_headers: [x-team]\n" },
  {
    code: "param_not_allowed",
    status: 400,
    more: "    param_whitelist: {model: [gpt-4o]}\n",
    request: { body: '{"model":"o3"}', headers: json },
  },
  {
    code: "invalid_request_body",
    status: 400,
    more: "    param_whitelist: {model: [gpt-4o]}\n",
    request: { body: "{", headers: json },
  },
  {
    code: "unsupported_encoding",
    status: 415,
    more: "    param_whitelist: {model: [gpt-4o]}\n",
    request: { body: Bun.gzipSync('{"model":"gpt-4o"}'), headers: [...json, ["Content-Encoding", "gzip"]] },
  },
  {
    code: "request_too_large",
    status: 413,
    more: "    param_whitelist: {model: [gpt-4o]}\n",
    env: { MAX_REQUEST_SIZE: "2KB" },
    request: { body: "x".repeat(3_000), headers: json },
  },
  {
    code: "streaming_disabled",
    status: 400,
    env: { ENABLE_STREAMING: "false" },
    request: { body: '{"stream":true}', headers: json },
  },
  {
    code: "rate_limit_exceeded",
    status: 429,
    prepare: async (lab) => {
      await lab.app.manage("PATCH", `/tokens/${lab.tokenId}`, { max_requests: 1 });
      await lab.call("/v1/models", { token: lab.token });
    },
    headers: [["x-llm-proxy-limit", "token:max_requests"]],
  },
  {
    code: "project_inactive",
    status: 403,
    prepare: (lab) => lab.app.manage("PATCH", `/projects/${lab.project.id}`, { is_active: false }),
  },
  {
    code: "upstream_auth_error",
    status: 503,
    prepare: async (lab) => {
      const { json } = await lab.app.manage("GET", `/projects/${lab.project.id}/keys`);
      await lab.app.manage("DELETE", `/projects/${lab.project.id}/keys/${json[0].id}`);
    },
  },
  {
    code: "bad_gateway",
    status: 502,
    prepare: (lab) => lab.upstream.answer([readBody(), fin()]),
    request: { body: "{}" },
    retry: "true",
  },
  {
    code: "timeout",
    status: 504,
    more: "    timeouts: {response_header: 100ms}\n",
    prepare: (lab) => lab.upstream.answer([hold()]),
    retry: "true",
  },
];

for (const dialect of dialects) {
  describe(`refusals in the words of ${dialect}`, () => {
    test.each(cases.map((one) => [one.code, one] as const))("%s", async (code, one) => {
      await using lab = await openDialectLab(dialect, one.more, one.env);
      await one.prepare?.(lab);
      const answer = await lab.call(one.target ?? "/v1/models", { token: lab.token, ...one.request });
      expectRefusal(answer, one.status, code, dialect);
      expect(headerValue(answer.headers, "x-should-retry")).toBe(one.retry ?? "false");
      for (const [name, value] of one.headers ?? []) expect(headerValue(answer.headers, name)).toBe(value);
      if (one.headers === undefined) {
        expect(headerValue(answer.headers, "allow")).toBeUndefined();
        expect(headerValue(answer.headers, "x-llm-proxy-limit")).toBeUndefined();
      }
    });
  });
}

describe("where no provider is known, path and headers tell the dialect (AUT-106)", () => {
  const asked: [string, Headers, DialectName][] = [
    ["/v1/chat/completions", [], "openai"],
    ["/v1/messages", [], "anthropic"],
    ["/v1/messages/count_tokens?beta=true", [], "anthropic"],
    ["/v1/messagesX", [], "openai"],
    ["/v1/models", [["anthropic-version", "2023-06-01"]], "anthropic"],
    ["/v1/models", [["x-goog-api-key", "AIza-x"]], "gemini"],
    ["/v1beta/models/g:generateContent", [], "gemini"],
    ["/", [], "openai"],
  ];
  test.each(asked)("%s %j: %s", async (target, headers, dialect) => {
    await using lab = await openLab();
    const answer = await lab.call(target, { token: "", headers });
    expectRefusal(answer, 401, "invalid_token", dialect);
    expect(headerValue(answer.headers, "x-should-retry")).toBe("false");
  });
});

describe("tokens that do not hold, in the words of each family (AUT-106)", () => {
  const families: [DialectName, string, Headers][] = [
    ["openai", "/v1/chat/completions", []],
    ["anthropic", "/v1/messages", [["anthropic-version", "2023-06-01"]]],
    ["gemini", "/v1beta/models/g:generateContent", []],
  ];
  test.each(families)("%s", async (dialect, target, headers) => {
    await using lab = await openDialectLab(dialect);
    const of = async (fields: Record<string, unknown> = {}) => await lab.app.newToken(lab.project.id, fields);
    const soon = new Date(Date.now() + 200).toISOString();
    const expired = await of({ duration_minutes: undefined, expires_at: soon });
    const revoked = await of();
    await lab.app.manage("DELETE", `/tokens/${revoked.id}`);
    await Bun.sleep(Math.max(0, Date.parse(soon) - Date.now()));
    const tokens: [string, number, RefusalCode][] = [
      ["", 401, "invalid_token"],
      ["sk-wt-typo", 401, "invalid_token"],
      [makeTokenText(randomBytes), 401, "token_not_found"],
      [expired.token, 401, "token_expired"],
      [revoked.token, 401, "token_inactive"],
    ];
    const check = async (token: string, status: number, code: RefusalCode) => {
      const answer = await lab.call(target, { token, headers: [...json, ...headers], body: "{}" });
      expectRefusal(answer, status, code, dialect);
      expect(headerValue(answer.headers, "x-should-retry")).toBe("false");
    };
    for (const each of tokens) await check(...each);
    await lab.app.manage("PATCH", `/projects/${lab.project.id}`, { is_active: false });
    await check(lab.token, 403, "project_inactive");
    expect(lab.upstream.requests).toHaveLength(0);
  });
});

test("a provider where nothing listens is a 502 that names no address (TMO-105)", async () => {
  const port = await freePort();
  await using lab = await openLab({
    providers: `  away: {base_url: "http://127.0.0.1:${port}", allowed_methods: [GET], allowed_endpoints: ["/*"]}\n`,
  });
  const project = await lab.app.newProject({ provider: "away" });
  const { token } = await lab.app.newToken(project.id);
  const answer = await lab.call("/v1/models", { token });
  expectRefusal(answer, 502, "bad_gateway", "openai");
  expect(answer.body.text()).not.toContain(String(port));
  expect(jsonOf(answer).error.message).toStartWith("Proxy error");
});

test("a database that stays locked is 503 service_unavailable, costs nothing, and is over with the lock", async () => {
  await using lab = await openLab();
  const { token, id } = await lab.app.newToken(lab.project.id, { max_requests: 5 });
  const other = new Database(lab.app.databasePath);
  other.run("BEGIN IMMEDIATE");
  const answer = await lab.call("/v1/models", { token, deadlineMs: 15_000 });
  expectRefusal(answer, 503, "service_unavailable", "openai");
  expect(headerValue(answer.headers, "x-should-retry")).toBe("true");
  expect(answer.body.text()).not.toMatch(/sqlite|locked|\.db/i);
  expect(lab.upstream.requests).toHaveLength(0);
  other.run("ROLLBACK");
  other.close();
  expect((await lab.call("/v1/models", { token })).status).toBe(200);
  expect((await lab.app.manage("GET", `/tokens/${id}`)).json.request_count).toBe(1);
}, 20_000);

test("a fault of ours is a 500 without its words, and the next request is served", async () => {
  await using lab = await openLab({ env: { LLM_PROXY_ACTIVE_CACHE_MAX: "0" } });
  const other = new Database(lab.app.databasePath);
  other.run("ALTER TABLE tokens RENAME TO tokens_gone");
  const answer = await lab.call("/v1/models");
  expectRefusal(answer, 500, "internal_error", "openai");
  expect(answer.body.text()).not.toMatch(/no such table|tokens_gone|\.ts|sqlite/i);
  other.run("ALTER TABLE tokens_gone RENAME TO tokens");
  other.close();
  expect((await lab.call("/v1/models")).status).toBe(200);
});

test("when all places are taken, the next request is told to come again", async () => {
  await using lab = await openLab({ env: { MAX_CONCURRENT_REQUESTS: "1" } });
  lab.upstream.answer([hold()]);
  const first = lab.call("/v1/models", { deadlineMs: 10_000 });
  const held = await lab.upstream.nextRequest();
  const answer = await lab.call("/v1/models");
  expectRefusal(answer, 503, "overloaded", "openai");
  expect(headerValue(answer.headers, "retry-after")).toBe("1");
  expect(headerValue(answer.headers, "x-should-retry")).toBe("true");
  held.connection.destroy();
  expect((await first).status).toBe(502);
  lab.upstream.answer(echo());
  expect((await lab.call("/v1/models")).status).toBe(200);
});
