import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { findSecrets } from "../harness/canary.ts";
import { providerKey, startServer, type TestServer } from "./test-server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server[Symbol.asyncDispose]());

const name = () => `p-${crypto.randomUUID()}`;

test("a project is created, shown and listed with its key masked", async () => {
  const wanted = { name: ` ${name()} `, api_key: providerKey };
  const created = await server.call("POST", "/manage/projects", wanted);
  expect(created.status).toBe(201);
  expect(created.json).toEqual({
    id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-4/),
    name: wanted.name.trim(),
    provider: "openai",
    api_key: "sk-canar...cdef",
    is_active: true,
    expires_at: null,
    request_count: 0,
    max_requests: null,
    rpm: null,
    tpm: null,
    max_concurrency: null,
    allowed_models: null,
    budget_usd: null,
    budget_period: "total",
    unpriced: "refuse",
    created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
    updated_at: created.json.created_at,
  });
  const shown = await server.call("GET", `/manage/projects/${created.json.id}`);
  expect(shown.json).toEqual(created.json);
  const listed = await server.call("GET", "/manage/projects");
  expect(listed.json).toContainEqual(created.json);
  for (const { text } of [created, shown, listed]) expect(findSecrets(text, [providerKey])).toEqual([]);
});

test("a provider without keys needs none", async () => {
  const { status, json } = await server.call("POST", "/manage/projects", { name: name(), provider: "local" });
  expect(status).toBe(201);
  expect(json).toMatchObject({ provider: "local", api_key: "" });
});

describe("what is wrong with a new project is said, with a stable code", () => {
  test.each([
    [{}, "validation_failed", "name and api_key are required"],
    [{ name: "x" }, "validation_failed", "name and api_key are required"],
    [{ api_key: providerKey }, "validation_failed", "name and api_key are required"],
    [{ name: "", api_key: providerKey }, "validation_failed", "name and api_key are required"],
    [{ name: "x", api_key: "" }, "validation_failed", "name and api_key are required"],
    [{ name: "   ", api_key: providerKey }, "validation_failed", "name must not be empty"],
    [
      { name: "x".repeat(256), api_key: providerKey },
      "validation_failed",
      "name is longer than 255 characters",
    ],
    [
      { name: "x", api_key: "sk-canar...cdef" },
      "validation_failed",
      "cannot save obfuscated API key - please provide the full API key",
    ],
    [
      { name: "x", api_key: "sk-****-canary" },
      "validation_failed",
      "cannot save obfuscated API key - please provide the full API key",
    ],
    [{ name: "x", api_key: "enc:v1:AAAA" }, "validation_failed", "api_key is not the text of a provider key"],
    [{ name: "x", api_key: "two words" }, "validation_failed", "api_key is not the text of a provider key"],
    [{ name: "x", api_key: "line\nend" }, "validation_failed", "api_key is not the text of a provider key"],
    [
      { name: "x", api_key: providerKey, provider: "opnai" },
      "validation_failed",
      'provider "opnai" is not configured',
    ],
    [{ name: "x", api_key: providerKey, nonsense: 1 }, "validation_failed", 'unknown field "nonsense"'],
    [{ nam: "x", api_key: providerKey }, "validation_failed", 'unknown field "nam" (did you mean name?)'],
    [{ name: "x", api_key: 5 }, "invalid_request_body", "invalid request body"],
    [{ name: null, api_key: providerKey }, "invalid_request_body", "invalid request body"],
    [{ name: ["x"], api_key: providerKey }, "invalid_request_body", "invalid request body"],
    ["", "invalid_request_body", "invalid request body"],
    ["{bad", "invalid_request_body", "invalid request body"],
    ['{"name":"x"} trailing', "invalid_request_body", "invalid request body"],
    ["[]", "invalid_request_body", "invalid request body"],
    ["null", "invalid_request_body", "invalid request body"],
    ['"text"', "invalid_request_body", "invalid request body"],
    ["[".repeat(2000), "invalid_request_body", "invalid request body"],
    [`${'{"a":'.repeat(600)}1${"}".repeat(600)}`, "invalid_request_body", "invalid request body"],
    [
      `{"name":"x","api_key":"${providerKey}","__proto__":{"isAdmin":true}}`,
      "validation_failed",
      'unknown field "__proto__"',
    ],
    [
      `{"name":"x","api_key":"${providerKey}","constructor":{"prototype":1}}`,
      "validation_failed",
      'unknown field "constructor"',
    ],
  ])("%j", async (body, code, error) => {
    const response = await server.call("POST", "/manage/projects", body);
    expect(response.status).toBe(400);
    expect(response.json).toMatchObject({ code, error, description: expect.stringMatching(/./) });
    expect(response.headers.get("content-type")).toStartWith("application/json");
    expect(findSecrets(response.text, [providerKey])).toEqual([]);
    expect(({} as Record<string, unknown>)["isAdmin"]).toBeUndefined();
  });

  test("a field of the wrong type is named, its value is not", async () => {
    const { json, text } = await server.call("POST", "/manage/projects", {
      name: "x",
      api_key: { secret: providerKey },
    });
    expect(json.description).toBe("api_key must be a string");
    expect(findSecrets(text, [providerKey])).toEqual([]);
  });

  test("bytes that are no UTF-8 are no JSON", async () => {
    const { json } = await server.call(
      "POST",
      "/manage/projects",
      new Uint8Array(Buffer.from('{"name":"\xff"}', "latin1")),
    );
    expect(json.code).toBe("invalid_request_body");
  });
});

test("a body is read as JSON whatever the Content-Type says", async () => {
  const { status } = await server.call(
    "POST",
    "/manage/projects",
    { name: name(), api_key: providerKey },
    { "content-type": "application/x-www-form-urlencoded" },
  );
  expect(status).toBe(201);
});

test("a name is there once", async () => {
  const project = await server.newProject();
  const again = await server.call("POST", "/manage/projects", { name: project.name, api_key: providerKey });
  expect(again.status).toBe(409);
  expect(again.json.code).toBe("project_exists");
  const other = await server.newProject();
  expect((await server.call("PATCH", `/manage/projects/${other.id}`, { name: project.name })).status).toBe(
    409,
  );
});

describe("a change", () => {
  test("touches what it names, and the key is never shown", async () => {
    const project = await server.newProject();
    const newKey = "sk-another-canary-key-abcdefghijklmnop";
    const changed = await server.call("PATCH", `/manage/projects/${project.id}`, { api_key: newKey });
    expect(changed.status).toBe(200);
    expect(changed.json).toMatchObject({ name: project.name, api_key: "sk-anoth...mnop", is_active: true });
    expect(findSecrets(changed.text, [newKey, providerKey])).toEqual([]);
    const kept = await server.call("PATCH", `/manage/projects/${project.id}`, { api_key: "" });
    expect(kept.json.api_key).toBe("sk-anoth...mnop");
  });

  test("to inactive sets deactivated_at, and to active clears it", async () => {
    const { id } = await server.newProject();
    const off = await server.call("PATCH", `/manage/projects/${id}`, { is_active: false });
    expect(off.json).toMatchObject({ is_active: false, deactivated_at: expect.any(String) });
    expect(off.json).not.toHaveProperty("tokens_revoked");
    const on = await server.call("PATCH", `/manage/projects/${id}`, { is_active: true });
    expect(on.json).not.toHaveProperty("deactivated_at");
  });

  test("can revoke all tokens with it, also of a project that is inactive already", async () => {
    const { id } = await server.newProject();
    await server.newToken(id);
    await server.call("PATCH", `/manage/projects/${id}`, { is_active: false });
    const body = { is_active: false, revoke_tokens: true };
    const revoked = await server.call("PATCH", `/manage/projects/${id}`, body);
    expect(revoked.json.tokens_revoked).toBe(1);
    expect((await server.call("PATCH", `/manage/projects/${id}`, body)).json.tokens_revoked).toBe(0);
  });

  test.each([
    [{}, "no fields to update"],
    [{ name: " " }, "name must not be empty"],
    [{ revoke_tokens: true }, "revoke_tokens requires is_active=false"],
    [{ revoke_tokens: true, is_active: true }, "revoke_tokens requires is_active=false"],
    [{ api_key: "sk-canar...cdef" }, "cannot save obfuscated API key - please provide the full API key"],
    [{ provider: "nowhere" }, 'provider "nowhere" is not configured'],
    [{ id: "x" }, 'unknown field "id"'],
    [{ created_at: "x" }, 'unknown field "created_at"'],
    [{ is_actve: false }, 'unknown field "is_actve" (did you mean is_active?)'],
  ])("SEC-108: %j is refused and nothing is changed", async (body, error) => {
    const project = await server.newProject();
    const { status, json } = await server.call("PATCH", `/manage/projects/${project.id}`, body);
    expect(status).toBe(400);
    expect(json).toMatchObject({ code: "validation_failed", error });
    expect((await server.call("GET", `/manage/projects/${project.id}`)).json).toEqual(project);
  });
});

test.each(["GET", "PATCH"])(
  "%s of a project that is not there is 404, and of what is no id 400",
  async (method) => {
    const body = method === "PATCH" ? { is_active: true } : undefined;
    const unknown = await server.call(method, `/manage/projects/${crypto.randomUUID()}`, body);
    expect([unknown.status, unknown.json.code, unknown.json.error]).toEqual([
      404,
      "project_not_found",
      "project not found",
    ]);
    const invalid = await server.call(method, "/manage/projects/1%20OR%201=1", body);
    expect([invalid.status, invalid.json.code, invalid.json.error]).toEqual([
      400,
      "validation_failed",
      "invalid project id",
    ]);
  },
);

test("a project is never deleted, and the try is audited", async () => {
  const { id } = await server.newProject();
  const { status, json, headers } = await server.call("DELETE", `/manage/projects/${id}`);
  expect(status).toBe(405);
  expect(headers.get("allow")).toBe("GET, PATCH");
  expect(json).toMatchObject({
    error: "method not allowed",
    message: "project deletion is not permitted",
    code: "method_not_allowed",
  });
  const { json: audit } = await server.call("GET", `/manage/audit?action=project.delete&project_id=${id}`);
  expect(audit.events[0]).toMatchObject({ outcome: "failure", actor: "management_api" });
});

test("all tokens of a project are revoked at once", async () => {
  const { id } = await server.newProject();
  await server.newToken(id);
  await server.newToken(id);
  const first = await server.call("POST", `/manage/projects/${id}/tokens/revoke`);
  expect([first.status, first.json]).toEqual([
    200,
    { revoked_count: 2, already_revoked_count: 0, total_tokens: 2 },
  ]);
  const second = await server.call("POST", `/manage/projects/${id}/tokens/revoke/`);
  expect(second.json).toEqual({ revoked_count: 0, already_revoked_count: 2, total_tokens: 2 });
  expect((await server.call("POST", `/manage/projects/${crypto.randomUUID()}/tokens/revoke`)).status).toBe(
    404,
  );
  expect((await server.call("POST", "/manage/projects/x/tokens/revoke")).json.error).toBe(
    "invalid project id",
  );
});

describe("the list", () => {
  test("is ordered by name, cut by page, and filtered", async () => {
    await using own = await startServer();
    expect((await own.call("GET", "/manage/projects")).text).toBe("[]");
    for (const letter of ["c", "a", "b"]) await own.newProject({ name: `team-${letter}` });
    const { json: all, headers } = await own.call("GET", "/manage/projects/");
    expect(all.map((project: { name: string }) => project.name)).toEqual(["team-a", "team-b", "team-c"]);
    expect(headers.get("x-total-count")).toBeNull();

    const second = await own.call("GET", "/manage/projects?page=2&page_size=2");
    expect(second.json.map((project: { name: string }) => project.name)).toEqual(["team-c"]);
    expect(second.headers.get("x-total-count")).toBe("3");

    await own.call("PATCH", `/manage/projects/${all[0].id}`, { is_active: false });
    const names = async (query: string) =>
      (await own.call("GET", `/manage/projects?${query}`)).json.map(
        (project: { name: string }) => project.name,
      );
    expect(await names("is_active=false")).toEqual(["team-a"]);
    expect(await names("is_active=true")).toEqual(["team-b", "team-c"]);
    expect(await names("search=M-B")).toEqual(["team-b"]);
    expect(await names("search=%25")).toEqual([]);
    expect(await names("search=")).toEqual(["team-a", "team-b", "team-c"]);
    expect(await names("page_size=abc")).toHaveLength(3);
  });

  test.each([
    ["is_active=1", "is_active must be true or false"],
    ["isactive=true", 'unknown parameter "isactive" (did you mean is_active?)'],
  ])("%s is refused, for it would list too much", async (query, error) => {
    const { status, json } = await server.call("GET", `/manage/projects?${query}`);
    expect([status, json.code, json.error]).toEqual([400, "validation_failed", error]);
  });
});
