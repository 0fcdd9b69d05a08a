import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { startServer, type TestServer } from "./test-server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server[Symbol.asyncDispose]());

const all = {
  max_requests: 100,
  rpm: 10,
  tpm: 5000,
  max_concurrency: 4,
  allowed_models: ["gpt-5", "claude-*"],
  budget_usd: "12.5",
  budget_period: "month",
  unpriced: "allow",
};
const none = {
  max_requests: null,
  rpm: null,
  tpm: null,
  max_concurrency: null,
  allowed_models: null,
  budget_usd: null,
  budget_period: "total",
  unpriced: "refuse",
};

/** Makes one with these fields; gives its address and the answer. */
const makers = {
  async tokens(fields: object) {
    const { id } = await server.newProject();
    return server.call("POST", "/manage/tokens", { project_id: id, duration_minutes: 60, ...fields });
  },
  projects: (fields: object) =>
    server.call("POST", "/manage/projects", { name: crypto.randomUUID(), api_key: "sk-key", ...fields }),
};
type Kind = keyof typeof makers;
const kinds: Kind[] = ["tokens", "projects"];

async function made(kind: Kind, fields: object): Promise<string> {
  const created = await makers[kind](fields);
  expect(created.status).toBe(201);
  return `/manage/${kind}/${created.json.id}`;
}

describe.each(kinds)("limits of %s", (kind) => {
  test("are none at first", async () => {
    expect((await server.call("GET", await made(kind, {}))).json).toMatchObject(none);
  });

  test("LIM-108 are shown as they were given, when made and when changed", async () => {
    expect((await server.call("GET", await made(kind, all))).json).toMatchObject(all);
    const url = await made(kind, {});
    expect((await server.call("PATCH", url, all)).json).toMatchObject(all);
    expect((await server.call("GET", url)).json).toMatchObject(all);
  });

  test("LIM-108 are changed one by one: what is left out stays, null takes away", async () => {
    const url = await made(kind, all);
    const changed = await server.call("PATCH", url, { rpm: null, tpm: 7 });
    expect(changed.json).toMatchObject({ ...all, rpm: null, tpm: 7 });
    const nulls = Object.fromEntries(Object.keys(all).map((name) => [name, null]));
    expect((await server.call("PATCH", url, nulls)).json).toMatchObject(none);
  });

  const wrongCounts = [-1, 1.5, "10", true, 1e18, "NaN", [], {}];
  const wrong: [field: string, value: unknown][] = [
    ...["max_requests", "rpm", "tpm", "max_concurrency"].flatMap((field) =>
      wrongCounts.map((value): [string, unknown] => [field, value]),
    ),
    ...["rpm", "tpm", "max_concurrency"].map((field): [string, unknown] => [field, 0]),
    ["allowed_models", []],
    ["allowed_models", "gpt-5"],
    ["allowed_models", [""]],
    ["allowed_models", ["a*b"]],
    ["budget_usd", 12.5],
    ["budget_usd", "0"],
    ["budget_usd", "-1"],
    ["budget_usd", "1e3"],
    ["budget_usd", "0.0000000001"],
    ["budget_period", "year"],
    ["unpriced", "maybe"],
  ];
  test("LIM-108 that make no sense are 400 with the field's name, when made and when changed", async () => {
    const url = await made(kind, {});
    for (const [field, value] of wrong) {
      const answers = [
        await makers[kind]({ [field]: value }),
        await server.call("PATCH", url, { [field]: value }),
      ];
      for (const { status, json } of answers) {
        expect([field, value, status]).toEqual([field, value, 400]);
        expect(`${json.error} ${json.description}`).toContain(field);
      }
    }
    expect((await server.call("GET", url)).json).toMatchObject(none);
  });
});

test("a token can be given more time, and a project an end", async () => {
  const token = await made("tokens", {});
  const end = new Date(server.clock.now() + 7_200_000).toISOString();
  expect((await server.call("PATCH", token, { expires_at: end })).json.expires_at).toBe(end);
  const longer = await server.call("PATCH", token, { duration_minutes: 240 });
  expect(longer.json.expires_at).toBe(new Date(server.clock.now() + 240 * 60_000).toISOString());
  expect((await server.call("PATCH", token, { duration_minutes: 0 })).status).toBe(400);

  const project = await made("projects", { expires_at: end });
  expect((await server.call("GET", project)).json.expires_at).toBe(end);
  expect((await server.call("PATCH", project, { expires_at: null })).json.expires_at).toBeNull();
  const past = await server.call("PATCH", project, { expires_at: "2001-01-01T00:00:00Z" });
  expect(past.json).toMatchObject({ code: "validation_failed", error: "expires_at has passed already" });
});

test("what is changed of the limits stands in the audit trail by name", async () => {
  const url = await made("tokens", {});
  await server.call("PATCH", url, { rpm: 5, budget_usd: "1" });
  const id = url.split("/").at(-1);
  const trail = await server.call("GET", `/manage/audit?token_id=${id}&action=token.update`);
  expect(trail.text).toContain(JSON.stringify('"updated_fields":["rpm","budget_usd"]').slice(1, -1));
});
