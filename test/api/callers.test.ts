import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Secret } from "../../src/secret.ts";
import { accessTable, type Who } from "../../src/server/access.ts";
import { findSecrets } from "../harness/canary.ts";
import { managementToken, providerKey, startServer, type TestServer } from "./test-server.ts";

const metricsToken = "metrics-token-of-the-tests-0123456789";
const table = accessTable({ metricsPath: "/metrics", isMetricsEnabled: true });

let server: TestServer;
let ids: { project: string; token: string; key: string; event: string };
let proxyToken: string;

beforeAll(async () => {
  server = await startServer({ server: { metricsToken: new Secret(metricsToken) } });
  const project = await server.newProject();
  const token = await server.newToken(project.id);
  proxyToken = token.token;
  const keys = await server.call("GET", `/manage/projects/${project.id}/keys`);
  const audit = await server.call("GET", "/manage/audit");
  ids = { project: project.id, token: token.id, key: keys.json[0].id, event: audit.json.events[0].id };
});
afterAll(() => server[Symbol.asyncDispose]());

/** A path of the table with ids of things that are there. */
function address(path: string): string {
  const own = path.startsWith("/manage/tokens")
    ? ids.token
    : path.startsWith("/manage/audit")
      ? ids.event
      : ids.project;
  return path
    .replace(":key_id", crypto.randomUUID())
    .replace(":request_id", "unknown")
    .replace(":name", "docs.js")
    .replace(":id", own);
}

const bodies: Record<string, object> = {
  "POST /manage/projects": { name: "of the callers", api_key: providerKey },
  "PATCH /manage/projects/:id": { name: "renamed" },
  "POST /manage/projects/:id/keys": { api_key: providerKey },
  "PATCH /manage/tokens/:id": { max_requests: 7 },
  "POST /manage/cache/purge": { all: true },
};

/** Status for whoever may call it. */
const statusOf: Record<string, number> = {
  "POST /manage/projects": 201,
  "DELETE /manage/projects/:id": 405,
  "POST /manage/projects/:id/keys": 201,
  "DELETE /manage/projects/:id/keys/:key_id": 404,
  "POST /manage/tokens": 201,
  "DELETE /manage/tokens/:id": 204,
  "GET /manage/requests/:request_id": 404,
  "POST /manage/cache/purge": 400,
  "GET /docs/plugin": 404,
};

const callers = {
  nobody: () => undefined,
  "an empty bearer": () => "Bearer ",
  "a wrong token": () => "Bearer wrong-token-wrong-token-wrong-token",
  "a proxy token": () => `Bearer ${proxyToken}`,
  "the metrics token": () => `Bearer ${metricsToken}`,
  "the management token": () => `Bearer ${managementToken}`,
};

async function ask(method: string, path: string, authorization: string | undefined) {
  const name = `${method} ${path}`;
  const body =
    name === "POST /manage/tokens" ? { project_id: ids.project, duration_minutes: 5 } : bodies[name];
  const response = await fetch(server.base + address(path), {
    method,
    headers: { ...(authorization !== undefined && { authorization }) },
    ...(body && { body: JSON.stringify(body) }),
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

describe.each(Object.entries(callers))("as %s", (caller, credential) => {
  // Else the tries of the callers before would count against this one.
  beforeAll(() => server.clock.advance(3_600_000));
  const letIn: Partial<Record<Who, string>> = {
    management: "the management token",
    metrics: "the metrics token",
  };
  test.each(table.map((row) => [`${row.method} ${row.path}`, row] as const))("%s", async (name, row) => {
    const { status, headers, text } = await ask(row.method, row.path, credential());
    const isOpen = row.who === "public" || row.who === "nobody";
    const isRefused = !isOpen && letIn[row.who] !== caller;
    expect(status).toBe(isRefused ? 401 : (statusOf[name] ?? 200));
    if (isRefused) {
      expect(JSON.parse(text)).toMatchObject({ code: "unauthorized" });
      expect(headers.get("www-authenticate")).toBe("Bearer");
      for (const inside of Object.values(ids)) expect(text).not.toContain(inside);
    }
    if (status >= 400) expect(headers.get("content-type")).toStartWith("application/json");
    if (row.path.startsWith("/manage")) expect(headers.get("cache-control")).toBe("no-store");
    expect(findSecrets(text, [providerKey, managementToken, metricsToken, proxyToken])).toEqual([]);
    expect(headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
  });
});

test("every route that is registered is in the access table, and the other way round", () => {
  const name = ({ method, path }: { method: string; path: string }) => `${method} ${path}`;
  expect(server.server.routes.map(name).toSorted()).toEqual(table.map(name).toSorted());
});

test("an unknown path below /manage needs the token before it says that there is nothing", async () => {
  expect((await ask("GET", "/manage/nothing", undefined)).status).toBe(401);
  expect((await ask("GET", "/manage/nothing", `Bearer ${managementToken}`)).status).toBe(404);
});

test("a refused management credential is audited without what was presented", async () => {
  const secret = "presented-wrong-token-0123456789abcdef";
  await fetch(`${server.base}/manage/tokens?key=${secret}`, {
    headers: { authorization: `Bearer ${secret}` },
  });
  const { json, text } = await server.call(
    "GET",
    "/manage/audit?action=management.auth&outcome=denied&page_size=1",
  );
  expect(json.events[0]).toMatchObject({
    actor: "anonymous",
    path: "/manage/tokens",
    method: "GET",
    client_ip: "127.0.0.1",
    reason: "credential_wrong",
  });
  expect(findSecrets(text, [secret])).toEqual([]);
  expect(findSecrets(JSON.stringify(server.lines), [secret, managementToken, providerKey])).toEqual([]);
});
