import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { startServer, type TestServer } from "./test-server.ts";

let server: TestServer;
let project: string;
let startMs: number;

beforeAll(async () => {
  server = await startServer();
  startMs = server.clock.now();
  project = (await server.newProject({ name: "audited_50%" })).id;
  server.clock.advance(10_000);
  await server.newToken(project);
  await server.call("POST", "/manage/tokens", { project_id: project, duration_minutes: 0 });
  server.clock.advance(10_000);
  await server.call("GET", "/manage/projects", undefined, {
    "x-request-id": "req-1",
    "x-correlation-id": "corr:1",
    "x-forwarded-user-agent": "the real agent",
  });
});
afterAll(() => server[Symbol.asyncDispose]());

interface Event {
  readonly [field: string]: string;
}
const actions = async (query: string): Promise<string[]> =>
  (await server.call("GET", `/manage/audit?${query}`)).json.events.map(({ action }: Event) => action);
const iso = (afterMs: number) => new Date(startMs + afterMs).toISOString();

test("a front end with the token says from which page it was called, without the query; without it nobody does", async () => {
  const about = {
    "x-request-id": "req-page",
    "x-forwarded-referer": "https://me:pw@admin.example/projects/new?token=secret#frag",
    "x-admin-origin": "1",
  };
  await server.call("GET", "/manage/tokens", undefined, about);
  await server.call("GET", "/manage/tokens", undefined, { ...about, authorization: "Bearer wrong" });
  await server.call("GET", "/manage/tokens", undefined, {
    "x-request-id": "req-page",
    "x-forwarded-referer": "no address",
    "x-admin-origin": "yes",
  });
  const { json } = await server.call("GET", "/manage/audit?request_id=req-page");
  const seen = json.events.map(({ outcome, metadata }: Event) => {
    const { referer, origin } = JSON.parse(metadata ?? "{}");
    return [outcome, referer, origin];
  });
  expect(seen).toEqual([
    ["success", undefined, undefined],
    ["denied", undefined, undefined],
    ["success", "https://admin.example/projects/new", "admin-ui"],
  ]);
});

test("an event says who did what, from where, and how it ended", async () => {
  const { json } = await server.call("GET", "/manage/audit?request_id=req-1");
  expect(json.events).toEqual([
    {
      id: expect.any(String),
      timestamp: iso(20_000),
      action: "project.list",
      actor: "management_api",
      outcome: "success",
      request_id: "req-1",
      correlation_id: "corr:1",
      client_ip: "127.0.0.1",
      method: "GET",
      path: "/manage/projects",
      user_agent: "the real agent",
      metadata: '{"project_count":1}',
    },
  ]);
  expect(json.pagination).toEqual({
    page: 1,
    page_size: 20,
    total_count: 1,
    total_pages: 1,
    has_next: false,
    has_prev: false,
  });
  const shown = await server.call("GET", `/manage/audit/${json.events[0].id}`);
  expect(shown.json).toEqual(json.events[0]);
});

describe("filters", () => {
  test.each([
    ["action=project.create", ["project.create"]],
    ["outcome=failure&action=token.create", ["token.create"]],
    ["correlation_id=corr:1", ["project.list"]],
    ["actor=nobody", []],
    ["method=DELETE", []],
    ["path=/manage/projects&method=POST", ["project.create"]],
    ["client_ip=10.0.0.1", []],
    ["token_id=unknown", []],
    ["search=50%25", ["project.create"]],
    ["search=50_", []],
    ["search=PROJECT.CREATE", ["project.create"]],
    ["action=token.create&outcome=", ["token.create", "token.create"]],
  ])("%s", async (query, expected) => {
    expect(await actions(query)).toEqual(expected);
  });

  test("by project", async () => {
    expect(await actions(`project_id=${project}`)).toEqual([
      "token.create",
      "token.create",
      "project.create",
    ]);
  });

  test("by time, both ends inclusive, in any offset", async () => {
    expect(await actions(`start_time=${iso(0)}&end_time=${iso(0)}`)).toEqual(["project.create"]);
    expect(await actions(`start_time=${iso(1)}&end_time=${iso(9_999)}`)).toEqual([]);
    const inOffset = new Date(startMs + 3_600_000).toISOString().replace("Z", "%2B01:00");
    expect(await actions(`end_time=${inOffset}`)).toEqual(["project.create"]);
  });

  test.each(["start_time=yesterday", "end_time=2030-01-01", "start_time=2030-01-01T00:00:00", "start_time="])(
    "%s is refused",
    async (query) => {
      const { status, json } = await server.call("GET", `/manage/audit?${query}`);
      expect([status, json.code]).toEqual([400, "validation_failed"]);
    },
  );
});

test.each(["0", "-1", "abc", "", "1.5", "99999999999", "%00"])(
  "page and page_size of %p fall back to the default",
  async (value) => {
    const { status, json } = await server.call("GET", `/manage/audit?page=${value}&page_size=${value}`);
    expect(status).toBe(200);
    expect(json.pagination).toMatchObject({ page: 1, page_size: 20 });
  },
);

test("pages follow each other without a gap, and a page holds 100 at the most", async () => {
  const all = (await server.call("GET", "/manage/audit?action=token.create")).json.events;
  const first = (await server.call("GET", "/manage/audit?action=token.create&page_size=1")).json;
  const second = (await server.call("GET", "/manage/audit?action=token.create&page_size=1&page=2")).json;
  expect([...first.events, ...second.events]).toEqual(all);
  expect(first.pagination).toMatchObject({ total_count: 2, total_pages: 2, has_next: true, has_prev: false });
  expect(second.pagination).toMatchObject({ page: 2, has_next: false, has_prev: true });
  expect((await server.call("GET", "/manage/audit?page_size=5000")).json.pagination.page_size).toBe(100);
});

test("an event that is not there is 404", async () => {
  const { status, json } = await server.call("GET", `/manage/audit/${crypto.randomUUID()}`);
  expect([status, json.code, json.error]).toEqual([404, "audit_event_not_found", "audit event not found"]);
});

test("reading the trail is audited", async () => {
  await using own = await startServer();
  const { json } = await own.call("GET", "/manage/audit?page_size=7");
  expect(json.events).toEqual([]);
  await own.call("GET", `/manage/audit/${crypto.randomUUID()}`);
  const events = (await own.call("GET", "/manage/audit")).json.events;
  expect(events.map(({ action, outcome }: Event) => [action, outcome])).toEqual([
    ["audit.show", "failure"],
    ["audit.list", "success"],
  ]);
  expect(JSON.parse(events[1].metadata)).toEqual({ events_count: 0, page: 1, page_size: 7, total_count: 0 });
});

test("where events are not kept in the database it says so", async () => {
  const audit = { record: () => {}, trail: undefined, flush: async () => {} };
  await using own = await startServer({ api: { audit } });
  for (const path of ["/manage/audit", `/manage/audit/${crypto.randomUUID()}`]) {
    const { status, json } = await own.call("GET", path);
    expect([status, json.code]).toEqual([503, "audit_unavailable"]);
  }
});
