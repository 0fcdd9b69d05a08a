import { afterAll, beforeAll, expect, test } from "bun:test";
import { findSecrets } from "../harness/canary.ts";
import { managementToken, startServer, type TestServer } from "./test-server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server[Symbol.asyncDispose]());

/** What a purge is answered with, and its line in the audit trail. */
async function purge(body: unknown, headers: Record<string, string> = {}) {
  const requestId = crypto.randomUUID();
  const about = { "x-request-id": requestId, ...headers };
  const { status, json } = await server.call("POST", "/manage/cache/purge", body, about);
  const trail = await server.call("GET", `/manage/audit?request_id=${requestId}`);
  const events: { action: string; outcome: string; reason: string; metadata?: string }[] = trail.json.events;
  const lines = events.map(({ action, outcome, reason, metadata = "{}" }) => ({
    line: `${action} ${outcome} ${reason}`,
    details: JSON.parse(metadata),
  }));
  return { answer: [status, json.code, json.error], lines };
}

test.each([
  [
    { method: "GET", url: "/v1/models" },
    { purge_type: "exact", method: "GET", url: "/v1/models" },
  ],
  [
    { method: "GET", url: "https://a.example/v1/models?key=sk-secret-0123456789", project_id: "p" },
    { purge_type: "exact", method: "GET", url: "/v1/models" },
  ],
  [{ prefix: "/v1/" }, { purge_type: "prefix", prefix: "/v1/" }],
  [{ all: true }, { purge_type: "all" }],
  [{ all: true, project_id: "p" }, { purge_type: "all" }],
])("a purge of %j is told that caching is disabled, which is in the audit trail", async (body, details) => {
  expect(await purge(body)).toEqual({
    answer: [400, "caching_disabled", "caching is disabled"],
    lines: [{ line: "cache.purge failure caching_disabled", details }],
  });
});

test.each([
  [{}, "validation_failed", "method and url are required", "missing_fields"],
  [{ method: "GET" }, "validation_failed", "method and url are required", "missing_fields"],
  [{ method: "", url: "/v1" }, "validation_failed", "method and url are required", "missing_fields"],
  [{ url: "/v1/models", all: false }, "validation_failed", "method and url are required", "missing_fields"],
  [{ method: "GET", url: "v1/models" }, "invalid_url", "invalid URL", "invalid_url"],
  [{ method: "GET", url: "http://[" }, "invalid_url", "invalid URL", "invalid_url"],
  [{ method: "GET", url: "ftp://a/b" }, "invalid_url", "invalid URL", "invalid_url"],
  [{ prefix: "v1" }, "invalid_url", "invalid URL", "invalid_url"],
  ["{", "invalid_request_body", "invalid JSON", "invalid_json"],
  [[], "invalid_request_body", "invalid JSON", "invalid_json"],
  [{ all: "yes" }, "invalid_request_body", "invalid request body", "invalid_json"],
  [{ urls: "/v1" }, "validation_failed", 'unknown field "urls" (did you mean url?)', "invalid_json"],
])("a purge with %j is refused as %s", async (body, ...[code, error, reason]) => {
  const { answer, lines } = await purge(body);
  expect(answer).toEqual([400, code, error]);
  expect(lines.map(({ line }) => line)).toEqual([`cache.purge failure ${reason}`]);
});

test("the token is asked for before the body is looked at", async () => {
  const { answer, lines } = await purge("{", { authorization: `Bearer ${managementToken}x` });
  expect(answer[0]).toBe(401);
  expect(lines.map(({ line }) => line)).toEqual(["management.auth denied credential_wrong"]);
});

test("nothing of a query gets into the trail", async () => {
  const secret = "canary-in-a-query-0123456789";
  const { lines } = await purge({ method: "GET", url: `/v1?x=${secret}`, prefix: `/v1?x=${secret}` });
  expect(findSecrets(JSON.stringify(lines), [secret])).toEqual([]);
});
