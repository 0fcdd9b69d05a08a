import { afterAll, beforeAll, expect, test } from "bun:test";
import { type UsageRecord, unmetered } from "../../src/usage/record.ts";
import { noUsage } from "../../src/usage/usage.ts";
import { startServer, type TestServer } from "./test-server.ts";

const startMs = Date.UTC(2030, 0, 1);

const record = (number: number, fields: Partial<UsageRecord> = {}): UsageRecord => ({
  requestId: `req-${number}`,
  atMs: startMs + number * 1000,
  projectId: "project-a",
  tokenId: "token-a",
  provider: "openai",
  keyId: "key-a",
  method: "POST",
  path: "/v1/chat/completions",
  status: 200,
  outcome: "complete",
  errorCode: "",
  isStream: true,
  durationMs: 12,
  ttfbMs: 3,
  requestBytes: 100,
  responseBytes: 2000,
  model: "gpt-5",
  answeredModel: "gpt-5-2025-08-07",
  usage: { ...noUsage, inputTokens: 7, cachedInputTokens: 2, outputTokens: 3, audioMs: 1500, tier: "flex" },
  usageRaw: '{"prompt_tokens":7}',
  alsoBilled: ["cost_of_care"],
  costNanoUsd: 19_500_000n,
  ...fields,
});

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
  const refused = {
    tokenId: "token-b",
    provider: "",
    keyId: "",
    status: 405,
    outcome: "refused",
    errorCode: "method_not_allowed",
    isStream: false,
    ttfbMs: null,
    ...unmetered,
    costNanoUsd: null,
  } as const;
  await server.book([
    record(1),
    record(2, refused),
    record(3, { projectId: "project-b", provider: "anthropic" }),
  ]);
});
afterAll(() => server[Symbol.asyncDispose]());

test("a request is shown with all that was recorded", async () => {
  const { status, json } = await server.call("GET", "/manage/requests/req-1");
  expect(status).toBe(200);
  expect(json).toEqual({
    request_id: "req-1",
    timestamp: "2030-01-01T00:00:01.000Z",
    project_id: "project-a",
    token_id: "token-a",
    provider: "openai",
    key_id: "key-a",
    method: "POST",
    path: "/v1/chat/completions",
    status: 200,
    outcome: "complete",
    error_code: null,
    stream: true,
    duration_ms: 12,
    ttfb_ms: 3,
    request_bytes: 100,
    response_bytes: 2000,
    model: "gpt-5",
    answered_model: "gpt-5-2025-08-07",
    input_tokens: 7,
    cached_input_tokens: 2,
    cache_write_tokens: 0,
    cache_write_hour_tokens: 0,
    audio_input_tokens: 0,
    output_tokens: 3,
    reasoning_tokens: 0,
    audio_output_tokens: 0,
    images: 0,
    audio_seconds: 1.5,
    characters: 0,
    web_searches: 0,
    service_tier: "flex",
    estimated: false,
    also_billed: ["cost_of_care"],
    usage_raw: '{"prompt_tokens":7}',
    cost_usd: "0.0195",
  });
  const refused = await server.call("GET", "/manage/requests/req-2");
  expect(refused.json).toMatchObject({
    provider: null,
    key_id: null,
    ttfb_ms: null,
    error_code: "method_not_allowed",
    model: null,
    input_tokens: null,
    output_tokens: null,
    service_tier: null,
    estimated: false,
    usage_raw: null,
  });
});

test("one that is not there is 404", async () => {
  const { status, json } = await server.call("GET", "/manage/requests/req-9");
  expect([status, json.code]).toEqual([404, "request_not_found"]);
});

test.each([
  ["", [3, 2, 1]],
  ["project_id=project-a", [2, 1]],
  ["token_id=token-b", [2]],
  ["provider=anthropic", [3]],
  ["outcome=refused", [2]],
  ["status=405", [2]],
  ["status=", [3, 2, 1]],
  ["request_id=req-3", [3]],
  ["start_time=2030-01-01T00:00:02Z", [3, 2]],
  ["end_time=2030-01-01T00:00:02Z", [2, 1]],
  ["page=2&page_size=2", [1]],
])("the list, newest first, by %p", async (query, numbers) => {
  const { json } = await server.call("GET", `/manage/requests?${query}`);
  expect(json.requests.map(({ request_id }: { request_id: string }) => request_id)).toEqual(
    numbers.map((number) => `req-${number}`),
  );
});

test("the list says where its page stands", async () => {
  const { json } = await server.call("GET", "/manage/requests?page_size=2");
  expect(json.pagination).toEqual({
    page: 1,
    page_size: 2,
    total_count: 3,
    total_pages: 2,
    has_next: true,
    has_prev: false,
  });
});

test.each([
  ["status=abc", "status must be an HTTP status code"],
  ["start_time=now", "start_time is not an RFC 3339 time"],
  ["modell=gpt", 'unknown parameter "modell" (did you mean model?)'],
])("%s is refused", async (query, error) => {
  const { status, json } = await server.call("GET", `/manage/requests?${query}`);
  expect([status, json.code, json.error]).toEqual([400, "validation_failed", error]);
});
