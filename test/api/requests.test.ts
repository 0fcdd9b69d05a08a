import { afterAll, beforeAll, expect, test } from "bun:test";
import type { UsageRecord } from "../../src/usage/record.ts";
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
  } as const;
  await server.usage.append({
    records: [record(1), record(2, refused), record(3, { projectId: "project-b", provider: "anthropic" })],
    counts: new Map(),
  });
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
  });
  const refused = await server.call("GET", "/manage/requests/req-2");
  expect(refused.json).toMatchObject({
    provider: null,
    key_id: null,
    ttfb_ms: null,
    error_code: "method_not_allowed",
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
  ["model=gpt", 'unknown parameter "model"'],
])("%s is refused", async (query, error) => {
  const { status, json } = await server.call("GET", `/manage/requests?${query}`);
  expect([status, json.code, json.error]).toEqual([400, "validation_failed", error]);
});
