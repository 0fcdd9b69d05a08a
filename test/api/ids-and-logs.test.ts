import { expect, test } from "bun:test";
import { headerValue } from "../harness/http-message.ts";
import { exchange } from "../harness/raw-client.ts";
import { managementToken, startServer } from "./test-server.ts";

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/;

test("sane ids are taken over and come back, on success and on error", async () => {
  await using server = await startServer();
  const given = { "x-request-id": "A.b:c_d-1", "x-correlation-id": "c".repeat(128) };
  for (const path of ["/manage/projects", "/manage/nothing", "/health", "/manage/tokens/x"]) {
    const { headers } = await server.call("GET", path, undefined, given);
    expect(headers.get("x-request-id")).toBe(given["x-request-id"]);
    expect(headers.get("x-llm-proxy-request-id")).toBe(given["x-request-id"]);
    expect(headers.get("x-correlation-id")).toBe(given["x-correlation-id"]);
  }
});

test.each([
  ["an empty one", ""],
  ["one with a blank", "a b"],
  ["one with a tab", "a\tb"],
  ["one with a quote", 'a"b'],
  ["one with a letter past ASCII", "é"],
  ["one of 129 characters", "x".repeat(129)],
  ["one of 7 KB", "x".repeat(7_000)],
])("SEC-107: in place of an ill-formed id, %s, there is one of our own", async (_, id) => {
  await using server = await startServer();
  const response = await exchange(
    server.port,
    Buffer.from(
      `GET /manage/projects HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: ${id}\r\nX-Correlation-ID: ${id}\r\n\r\n`,
      "latin1",
    ),
  );
  expect(headerValue(response.headers, "x-request-id")).toMatch(uuid);
  expect(headerValue(response.headers, "x-correlation-id")).toMatch(uuid);
});

test("SEC-107: a header with an escape in it is refused before it can be logged", async () => {
  await using server = await startServer();
  const { status } = await exchange(
    server.port,
    "GET /manage/projects HTTP/1.1\r\nHost: localhost\r\nUser-Agent: a\x1b[2Jb\r\n\r\n",
  );
  expect(status).toBe(400);
  expect(server.lines).toEqual([]);
});

test("a management request is logged at its start and end, without its query and credential", async () => {
  await using server = await startServer();
  await server.call("GET", "/manage/tokens?project_id=secret-in-query", undefined, {
    "x-request-id": "r-1",
    "x-correlation-id": "c-1",
    "user-agent": "agent/1",
  });
  const asked = {
    request_id: "r-1",
    correlation_id: "c-1",
    client_ip: "127.0.0.1",
    method: "GET",
    path: "/manage/tokens",
    user_agent: "agent/1",
  };
  expect(server.lines).toEqual([
    { level: "debug", message: "request started", fields: asked },
    { level: "info", message: "request completed", fields: { ...asked, status_code: 200, duration_ms: 0 } },
  ]);
  expect(JSON.stringify(server.lines)).not.toContain("secret-in-query");
  expect(JSON.stringify(server.lines)).not.toContain(managementToken.slice(0, 10));
});

test("probes and scrapes are logged at debug only", async () => {
  await using server = await startServer();
  for (const path of ["/health", "/ready", "/metrics", "/docs"]) await server.call("GET", path);
  expect(server.lines).toHaveLength(8);
  expect(new Set(server.lines.map(({ level }) => level))).toEqual(new Set(["debug"]));
});

test("the client's address is believed from a trusted proxy only", async () => {
  const clientIp = async (trusted: string) => {
    const { createClientIp } = await import("../../src/client-ip.ts");
    await using server = await startServer({ api: { clientIp: createClientIp([trusted]) } });
    await server.call("GET", "/manage/tokens", undefined, { "x-forwarded-for": "198.51.100.4" });
    return server.lines[0]?.fields["client_ip"];
  };
  expect(await clientIp("127.0.0.0/8")).toBe("198.51.100.4");
  expect(await clientIp("10.0.0.0/8")).toBe("127.0.0.1");
});

test("SEC-105: a forged X-Forwarded-For does not start the count of failed tries anew", async () => {
  await using server = await startServer();
  const statuses = new Set<number>();
  for (let index = 0; index < 130; index++) {
    const headers = { authorization: "Bearer wrong", "x-forwarded-for": `198.51.100.${index}` };
    const response = await fetch(`${server.base}/manage/projects`, { headers });
    statuses.add(response.status);
    if (response.status === 429) expect(response.headers.get("retry-after")).toBe("60");
  }
  expect([...statuses]).toEqual([401, 429]);
  expect((await server.call("GET", "/manage/projects")).status).toBe(200);
});

test("a user agent is believed about the one behind it only with the token", async () => {
  await using server = await startServer();
  const headers = { authorization: "Bearer wrong", "user-agent": "own", "x-forwarded-user-agent": "forged" };
  await fetch(`${server.base}/manage/projects`, { headers });
  const { json } = await server.call("GET", "/manage/audit?action=management.auth");
  expect(json.events[0].user_agent).toBe("own");
});

test("without a socket a management request needs no credential, and is told apart in the trail", async () => {
  await using server = await startServer();
  const ask = (path: string) => server.server.manage(new Request(`http://x${path}`));
  expect((await ask("/manage/projects")).status).toBe(200);
  expect((await ask("/v1/models")).status).toBe(404);
  expect((await ask("/health")).status).toBe(404);
  const { json } = await server.call("GET", "/manage/audit?action=project.list");
  expect(json.events[0]).toMatchObject({ actor: "admin", path: "/manage/projects" });
  expect(json.events[0]).not.toHaveProperty("client_ip");
});
