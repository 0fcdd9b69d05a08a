import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { startServer, type TestServer } from "./test-server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server[Symbol.asyncDispose]());

const minuteMs = 60_000;
const time = (ms: number) => new Date(ms).toISOString();

test("the text of a token is in the answer that makes it and nowhere else", async () => {
  const { id: project } = await server.newProject();
  const created = await server.call("POST", "/manage/tokens", {
    project_id: project,
    duration_minutes: 60,
    max_requests: 100,
  });
  expect(created.status).toBe(201);
  expect(created.json).toEqual({
    id: expect.any(String),
    token: expect.stringMatching(/^sk-wt-[A-Za-z0-9_-]{49}$/),
    project_id: project,
    expires_at: time(server.clock.now() + 60 * minuteMs),
    max_requests: 100,
  });
  const { token, id } = created.json;
  const shown = await server.call("GET", `/manage/tokens/${id}`);
  expect(shown.json).toEqual({
    id,
    token: `sk-wt-…${token.slice(-4)}`,
    project_id: project,
    expires_at: created.json.expires_at,
    is_active: true,
    deactivated_at: null,
    request_count: 0,
    max_requests: 100,
    created_at: time(server.clock.now()),
    last_used_at: null,
    cache_hit_count: 0,
    rpm: null,
    tpm: null,
    max_concurrency: null,
    allowed_models: null,
    budget_usd: null,
    budget_period: "total",
    unpriced: "refuse",
  });
  const listed = await server.call("GET", `/manage/tokens?projectId=${project}`);
  expect(listed.json).toEqual([shown.json]);
  const audit = await server.call("GET", `/manage/audit?token_id=${id}`);
  for (const { text } of [shown, listed, audit]) expect(text).not.toContain(token);
  expect(JSON.stringify(server.lines)).not.toContain(token);
});

test.each([undefined, null, 0])("max_requests %p is no limit", async (max_requests) => {
  const { id } = await server.newProject();
  const created = await server.newToken(id, { max_requests });
  expect(created).not.toHaveProperty("max_requests");
  expect((await server.call("GET", `/manage/tokens/${created.id}`)).json.max_requests).toBeNull();
});

test("a token can be given its moment of expiry, in any offset", async () => {
  const { id: project_id } = await server.newProject();
  const atMs = server.clock.now() + 90 * minuteMs;
  const offset = new Date(atMs + 120 * minuteMs).toISOString().replace("Z", "+02:00");
  const { status, json } = await server.call("POST", "/manage/tokens", { project_id, expires_at: offset });
  expect([status, json.expires_at]).toEqual([201, time(atMs)]);
});

describe("what is wrong with a new token is said", () => {
  const required = "project_id and duration_minutes are required";
  test.each([
    [{ duration_minutes: 60 }, required],
    [{ project_id: "", duration_minutes: 60 }, required],
    [{ project_id: "$P" }, required],
    [{ project_id: "$P", duration_minutes: 0 }, required],
    [{ project_id: "$P", duration_minutes: -1 }, required],
    [{ project_id: "$P", duration_minutes: 525_601 }, "duration_minutes exceeds maximum allowed"],
    [{ project_id: "$P", duration_minutes: 1.5 }, "invalid request body"],
    [{ project_id: "$P", duration_minutes: "60" }, "invalid request body"],
    [{ project_id: "$P", duration_minutes: null }, "invalid request body"],
    [{ project_id: 5, duration_minutes: 60 }, "invalid request body"],
    ['{"project_id":"$P","duration_minutes":1e400}', "invalid request body"],
    [{ project_id: "$P", duration_minutes: 60, max_requests: -1 }, "max_requests must be >= 0"],
    [{ project_id: "$P", duration_minutes: 60, max_requests: 2_147_483_648 }, "max_requests must be >= 0"],
    [{ project_id: "$P", duration_minutes: 60, max_requests: 0.5 }, "invalid request body"],
    [
      { project_id: "$P", duration_minutes: 60, expires_at: "2030-01-01T01:00:00Z" },
      "duration_minutes and expires_at exclude each other",
    ],
    [{ project_id: "$P", expires_at: "2029-12-31T23:59:59Z" }, "duration_minutes exceeds maximum allowed"],
    [{ project_id: "$P", expires_at: "2031-01-02T00:00:00Z" }, "duration_minutes exceeds maximum allowed"],
    [{ project_id: "$P", expires_at: "2030-01-02" }, "expires_at is not an RFC 3339 time"],
    [{ project_id: "$P", expires_at: "2030-02-31T25:00:00Z" }, "expires_at is not an RFC 3339 time"],
    [{ project_id: "$P", expires_at: "2031-02-29T00:00:00Z" }, "expires_at is not an RFC 3339 time"],
    [{ project_id: "$P", expires_at: "tomorrow" }, "expires_at is not an RFC 3339 time"],
    [
      { project_id: "$P", duration_minutes: 60, max_request: 5 },
      'unknown field "max_request" (did you mean max_requests?)',
    ],
  ])("%j", async (body, error) => {
    const { id } = await server.newProject();
    const text = (typeof body === "string" ? body : JSON.stringify(body)).replace("$P", id);
    const { status, json } = await server.call("POST", "/manage/tokens", text);
    expect([status, json.error]).toEqual([400, error]);
    expect(json.code).toBe(error === "invalid request body" ? "invalid_request_body" : "validation_failed");
    expect((await server.call("GET", `/manage/tokens?project_id=${id}`)).json).toEqual([]);
  });
});

test("a type is named in words", async () => {
  const { json } = await server.call("POST", "/manage/tokens", {
    project_id: "x",
    duration_minutes: 5,
    max_requests: "9",
  });
  expect(json.description).toBe("max_requests must be a whole number or null");
});

test("a project that is unknown or inactive gets no token", async () => {
  const unknown = await server.call("POST", "/manage/tokens", { project_id: "0", duration_minutes: 5 });
  expect([unknown.status, unknown.json.code, unknown.json.error]).toEqual([
    404,
    "project_not_found",
    "project not found",
  ]);
  const { id } = await server.newProject();
  await server.call("PATCH", `/manage/projects/${id}`, { is_active: false });
  const inactive = await server.call("POST", "/manage/tokens", { project_id: id, duration_minutes: 5 });
  expect([inactive.status, inactive.json.code, inactive.json.error]).toEqual([
    403,
    "project_inactive",
    "cannot create tokens for inactive projects",
  ]);
});

describe("a change", () => {
  test("touches what it names", async () => {
    const { id } = await server.newToken((await server.newProject()).id, { max_requests: 5 });
    const off = await server.call("PATCH", `/manage/tokens/${id}`, { is_active: false });
    expect(off.json).toMatchObject({ is_active: false, max_requests: 5, deactivated_at: expect.any(String) });
    const on = await server.call("PATCH", `/manage/tokens/${id}`, { is_active: true, max_requests: 9 });
    expect(on.json).toMatchObject({ is_active: true, max_requests: 9, deactivated_at: null });
    expect(
      (await server.call("PATCH", `/manage/tokens/${id}`, { max_requests: 0 })).json.max_requests,
    ).toBeNull();
  });

  test.each([
    [{}, "no fields to update"],
    [{ max_requests: -5 }, "max_requests must be >= 0"],
    [{ request_count: 0 }, 'unknown field "request_count"'],
    [{ project_id: "x" }, 'unknown field "project_id"'],
    [{ id: "x" }, 'unknown field "id"'],
    [{ token: "chosen" }, 'unknown field "token"'],
    [{ created_at: "x" }, 'unknown field "created_at"'],
    ['{"is_active":false,"__proto__":{"isAdmin":true}}', 'unknown field "__proto__"'],
    ['{"is_active":false,"constructor":{"prototype":{"x":1}}}', 'unknown field "constructor"'],
  ])("SEC-108: %j is refused and nothing is changed", async (body, error) => {
    const { id } = await server.newToken((await server.newProject()).id);
    const before = (await server.call("GET", `/manage/tokens/${id}`)).json;
    const { status, json } = await server.call("PATCH", `/manage/tokens/${id}`, body);
    expect([status, json.code, json.error]).toEqual([400, "validation_failed", error]);
    expect((await server.call("GET", `/manage/tokens/${id}`)).json).toEqual(before);
    expect(({} as Record<string, unknown>)["isAdmin"]).toBeUndefined();
  });

  test("brings no expired token back", async () => {
    await using own = await startServer();
    const { id } = await own.newToken((await own.newProject()).id, { duration_minutes: 1 });
    await own.call("DELETE", `/manage/tokens/${id}`);
    own.clock.advance(minuteMs);
    const { status, json } = await own.call("PATCH", `/manage/tokens/${id}`, { is_active: true });
    expect([status, json.code]).toEqual([409, "token_expired"]);
  });
});

test("revoking is idempotent", async () => {
  const { id } = await server.newToken((await server.newProject()).id);
  const first = await server.call("DELETE", `/manage/tokens/${id}`);
  expect([first.status, first.text]).toEqual([204, ""]);
  expect((await server.call("DELETE", `/manage/tokens/${id}`)).status).toBe(204);
  const { json } = await server.call("GET", `/manage/tokens/${id}`);
  expect(json).toMatchObject({ is_active: false, deactivated_at: expect.any(String) });
});

test.each(["GET", "PATCH", "DELETE"])(
  "%s of a token that is not there is 404; its text is no name",
  async (method) => {
    const created = await server.newToken((await server.newProject()).id);
    for (const id of [crypto.randomUUID(), "x", created.token]) {
      const { status, json } = await server.call(
        method,
        `/manage/tokens/${id}`,
        method === "PATCH" ? { max_requests: 1 } : undefined,
      );
      expect([status, json.code, json.error]).toEqual([404, "token_not_found", "token not found"]);
    }
  },
);

test("the list is newest first, cut by page, and filtered", async () => {
  await using own = await startServer();
  expect((await own.call("GET", "/manage/tokens")).text).toBe("[]");
  const [one, other] = [await own.newProject(), await own.newProject()];
  const ids: string[] = [];
  for (const project of [one, other, one]) {
    ids.unshift((await own.newToken(project.id)).id);
    own.clock.advance(1000);
  }
  const list = async (query: string) => {
    const { json, headers } = await own.call("GET", `/manage/tokens${query}`);
    return { ids: json.map((token: { id: string }) => token.id), total: headers.get("x-total-count") };
  };
  expect(await list("/")).toEqual({ ids, total: null });
  expect(await list("?page=2&page_size=2")).toEqual({ ids: ids.slice(2), total: "3" });
  expect(await list("?page=9")).toEqual({ ids: [], total: "3" });
  expect((await list(`?projectId=${other.id}`)).ids).toEqual([ids[1]]);
  expect((await list(`?project_id=${other.id}`)).ids).toEqual([ids[1]]);
  await own.call("DELETE", `/manage/tokens/${ids[0]}`);
  expect((await list("?is_active=false")).ids).toEqual([ids[0]]);
  expect((await list("?is_active=true&page_size=1000")).ids).toEqual(ids.slice(1));
});
