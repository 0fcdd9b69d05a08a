import { afterAll, beforeAll, expect, test } from "bun:test";
import { findSecrets } from "../harness/canary.ts";
import { managementToken, startServer, type TestServer } from "./test-server.ts";

const id = "7b0f2a6e-3c6d-4b7e-9a51-0f4f6d1c2b3a";
/** Where a value is wrong, it is this; it must not get into the trail. */
const value = "canary-of-a-wrong-value-0123456789";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server[Symbol.asyncDispose]());

const refused: [call: string, body: unknown, action: string, reason: string, field: string][] = [
  ["GET /manage/projects?serch=x", undefined, "project.list", "validation_failed", "serch"],
  ["HEAD /manage/projects?serch=x", undefined, "project.list", "validation_failed", "serch"],
  ["POST /manage/projects", { nam: value }, "project.create", "validation_failed", "nam"],
  ["POST /manage/projects", { api_key: value }, "project.create", "validation_failed", "name"],
  ["POST /manage/projects", { name: [value] }, "project.create", "invalid_request_body", "name"],
  ["POST /manage/projects", `{"name": "${value}`, "project.create", "invalid_request_body", "body"],
  ["POST /manage/projects", [value], "project.create", "invalid_request_body", "body"],
  ["GET /manage/projects/x", undefined, "project.read", "validation_failed", "id"],
  [
    `PATCH /manage/projects/${id}`,
    { is_active: value },
    "project.update",
    "invalid_request_body",
    "is_active",
  ],
  ["PATCH /manage/projects/x", {}, "project.update", "validation_failed", "id"],
  ["POST /manage/projects/x/tokens/revoke", undefined, "token.revoke_batch", "validation_failed", "id"],
  ["GET /manage/projects/x/keys", undefined, "project.key_list", "validation_failed", "id"],
  [`POST /manage/projects/${id}/keys`, { key: value }, "project.key_add", "validation_failed", "key"],
  [`DELETE /manage/projects/x/keys/${id}`, undefined, "project.key_remove", "validation_failed", "id"],
  ["GET /manage/tokens?is_active=maybe", undefined, "token.list", "validation_failed", "is_active"],
  [
    "POST /manage/tokens",
    { project_id: id, max_request: 5 },
    "token.create",
    "validation_failed",
    "max_request",
  ],
  [
    "POST /manage/tokens",
    { project_id: id, expires_at: value },
    "token.create",
    "validation_failed",
    "expires_at",
  ],
  [
    `PATCH /manage/tokens/${id}`,
    { max_requests: value },
    "token.update",
    "invalid_request_body",
    "max_requests",
  ],
  [`GET /manage/audit?start_time=${value}`, undefined, "audit.list", "validation_failed", "start_time"],
];

test.each(refused)(
  "%s with %j is one failed %s in the trail: %s, %s",
  async (call, body, ...[action, reason, field]) => {
    const [method = "", path = ""] = call.split(" ");
    const requestId = crypto.randomUUID();
    const { status } = await server.call(method, path, body, { "x-request-id": requestId });
    expect(status).toBe(400);
    const { json, text } = await server.call("GET", `/manage/audit?request_id=${requestId}`);
    expect(json.events).toMatchObject([
      { action, reason, outcome: "failure", metadata: JSON.stringify({ validation_error: field }) },
    ]);
    expect(findSecrets(text, [value])).toEqual([]);
  },
);

test("what is wrong with a call is not looked at before its token is, and leaves no line but that", async () => {
  const requestId = crypto.randomUUID();
  const headers = { "x-request-id": requestId, authorization: `Bearer ${managementToken}x` };
  expect((await server.call("POST", "/manage/projects", "{", headers)).status).toBe(401);
  const { json } = await server.call("GET", `/manage/audit?request_id=${requestId}`);
  expect(json.events.map(({ action }: { action: string }) => action)).toEqual(["management.auth"]);
});
