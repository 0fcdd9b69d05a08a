import { afterAll, beforeAll, expect, test } from "bun:test";
import { findSecrets } from "../harness/canary.ts";
import { providerKey, startServer, type TestServer } from "./test-server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server[Symbol.asyncDispose]());

test("keys are added, listed masked, and removed", async () => {
  const { id } = await server.newProject();
  server.clock.advance(1);
  const added = await server.call("POST", `/manage/projects/${id}/keys`, {
    provider: "anthropic",
    api_key: "sk-ant-canary-0123456789abcdef",
    name: "second",
    weight: 3,
  });
  expect(added.status).toBe(201);
  expect(added.json).toEqual({
    id: expect.any(String),
    project_id: id,
    provider: "anthropic",
    name: "second",
    weight: 3,
    api_key: "sk-ant-c...cdef",
    key_status: "ok",
    created_at: expect.any(String),
  });
  const listed = await server.call("GET", `/manage/projects/${id}/keys`);
  expect(listed.json.map((key: { provider: string }) => key.provider)).toEqual(["openai", "anthropic"]);
  expect(findSecrets(added.text + listed.text, [providerKey, "sk-ant-canary-0123456789abcdef"])).toEqual([]);

  const path = `/manage/projects/${id}/keys/${added.json.id}`;
  expect((await server.call("DELETE", path)).status).toBe(204);
  const again = await server.call("DELETE", path);
  expect([again.status, again.json.code]).toEqual([404, "key_not_found"]);
});

test("a key without a name gets the next one, and a taken one is refused", async () => {
  const { id } = await server.newProject();
  const body = { api_key: "sk-0123456789abcdef" };
  expect((await server.call("POST", `/manage/projects/${id}/keys`, body)).json.name).toBe("key-2");
  const taken = await server.call("POST", `/manage/projects/${id}/keys`, { ...body, name: "key-2" });
  expect([taken.status, taken.json.code, taken.json.error]).toEqual([
    409,
    "key_exists",
    'a key named "key-2" exists',
  ]);
});

test("a key of one project cannot be removed through another", async () => {
  const [one, other] = [await server.newProject(), await server.newProject()];
  const [key] = (await server.call("GET", `/manage/projects/${one.id}/keys`)).json;
  expect((await server.call("DELETE", `/manage/projects/${other.id}/keys/${key.id}`)).status).toBe(404);
  expect((await server.call("GET", `/manage/projects/${one.id}/keys`)).json).toHaveLength(1);
});

test.each([
  [{}, "validation_failed", "api_key is required"],
  [{ api_key: "" }, "validation_failed", "api_key is required"],
  [
    { api_key: "sk-****" },
    "validation_failed",
    "cannot save obfuscated API key - please provide the full API key",
  ],
  [{ api_key: "k".repeat(4097) }, "request_too_large", "the request body is too large"],
  [{ api_key: "kkkkkkkk", weight: 0 }, "validation_failed", "weight must be a whole number from 1 to 1000"],
  [
    { api_key: "kkkkkkkk", weight: 1001 },
    "validation_failed",
    "weight must be a whole number from 1 to 1000",
  ],
  [{ api_key: "kkkkkkkk", weight: 1.5 }, "invalid_request_body", "invalid request body"],
  [{ api_key: "kkkkkkkk", weight: "1" }, "invalid_request_body", "invalid request body"],
  [{ api_key: "kkkkkkkk", name: "\n" }, "validation_failed", "name is not valid for a key"],
  [{ api_key: "kkkkkkkk", name: "n".repeat(101) }, "validation_failed", "name is longer than 100 characters"],
  [{ api_key: "kkkkkkkk", provider: "nowhere" }, "validation_failed", 'provider "nowhere" is not configured'],
  [{ apikey: "kkkkkkkk" }, "validation_failed", 'unknown field "apikey" (did you mean api_key?)'],
])("%j is refused", async (body, code, error) => {
  const { id } = await server.newProject();
  const { status, json } = await server.call("POST", `/manage/projects/${id}/keys`, body);
  expect(status).toBe(code === "request_too_large" ? 413 : 400);
  expect(json).toMatchObject({ code, error });
});

test.each(["GET", "POST", "DELETE"])("%s needs the id of a project that is there", async (method) => {
  const body = method === "POST" ? { api_key: "kkkkkkkk" } : undefined;
  const tail = method === "DELETE" ? `/keys/${crypto.randomUUID()}` : "/keys";
  const invalid = await server.call(method, `/manage/projects/x${tail}`, body);
  expect([invalid.status, invalid.json.error]).toEqual([400, "invalid project id"]);
  expect((await server.call(method, `/manage/projects/${crypto.randomUUID()}${tail}`, body)).status).toBe(
    404,
  );
});
