import { expect, test } from "bun:test";
import { DatabaseFault } from "../../src/storage/database-fault.ts";
import { startServer } from "./test-server.ts";

test("a wrong method is 405, and Allow lists the right ones", async () => {
  await using server = await startServer();
  for (const [method, path, allow] of [
    ["PUT", "/manage/projects", "GET, HEAD, POST"],
    ["POST", "/manage/projects/x", "GET, HEAD, PATCH"],
    ["GET", "/manage/projects/x/tokens/revoke", "POST"],
    ["OPTIONS", "/manage/tokens", "POST, GET, HEAD"],
    ["PUT", "/manage/tokens/x", "GET, HEAD, PATCH, DELETE"],
    ["POST", "/manage/audit", "GET, HEAD"],
    ["POST", "/health", "GET, HEAD"],
    ["DELETE", "/docs/json", "GET, HEAD"],
  ] as const) {
    const { status, headers, json } = await server.call(method, path);
    expect([method, path, status, json.code]).toEqual([method, path, 405, "method_not_allowed"]);
    expect(headers.get("allow")?.split(", ").toSorted()).toEqual(allow.split(", ").toSorted());
  }
});

test.each([
  "/manage",
  "/manage/",
  "/manage/unknown",
  "/manage/projects/x/y",
  "/manage//projects",
  "/manage/projects//",
  "/manage/%70rojects",
  "/admin",
  "/admin/login",
  "/docs/plugin",
  "/docs/plugin/json",
  "/docs/assets",
  "/docs/assets/../assets/x",
  "/docs/assets/%2e%2e%2fpackage.json",
  "/health/x",
  "/live/x",
])("%s is 404 in JSON and never reaches the data plane", async (path) => {
  await using server = await startServer();
  const { status, json } = await server.call("GET", path);
  expect([status, json]).toEqual([
    404,
    { error: "not found", code: "not_found", description: expect.any(String) },
  ]);
  expect(server.seen).toEqual([]);
});

test("HEAD answers as GET, without the body", async () => {
  await using server = await startServer();
  for (const path of ["/health", "/manage/projects", "/docs/assets/docs.js"]) {
    const { status, text, headers } = await server.call("HEAD", path);
    expect([path, status, text]).toEqual([path, 200, ""]);
    expect(Number(headers.get("content-length"))).toBeGreaterThan(0);
  }
});

test("a body past MAX_REQUEST_SIZE is 413, declared or chunked", async () => {
  await using server = await startServer();
  const chunked = new ReadableStream({
    start(controller) {
      for (let index = 0; index < 5; index++) controller.enqueue(new Uint8Array(1024).fill(0x20));
      controller.close();
    },
  });
  for (const body of ["x".repeat(4097), chunked]) {
    const response = await fetch(`${server.base}/manage/projects`, {
      method: "POST",
      headers: { authorization: `Bearer management-token-of-the-tests-0123456789` },
      body,
    });
    expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([
      413,
      "request_too_large",
    ]);
  }
  expect((await server.call("GET", "/manage/projects")).json).toEqual([]);
});

test("nobody without the token makes the server read a body", async () => {
  await using server = await startServer();
  const response = await fetch(`${server.base}/manage/projects`, {
    method: "POST",
    body: "x".repeat(100_000),
  });
  expect(response.status).toBe(401);
});

test("a database that fails is 503 and a fault 500, without a word of what was thrown", async () => {
  const secretText = "SELECT secret FROM /home/somebody";
  const faults = [new DatabaseFault("database_io", secretText, secretText), new Error(secretText)];
  await using server = await startServer({
    api: { usage: { list: () => Promise.reject(faults.shift()), find: () => Promise.reject("text") } },
  });
  const unavailable = await server.call("GET", "/manage/requests");
  expect([unavailable.status, unavailable.json.code]).toEqual([503, "storage_unavailable"]);
  const failed = await server.call("GET", "/manage/requests");
  expect([failed.status, failed.json.code]).toEqual([500, "internal_error"]);
  const thrown = await server.call("GET", "/manage/requests/x");
  expect([thrown.status, thrown.json.code]).toEqual([500, "internal_error"]);
  expect(unavailable.text + failed.text + thrown.text).not.toContain("secret");

  const requestId = failed.headers.get("x-request-id");
  const logged = server.lines.filter(
    ({ level, fields }) => level === "error" && fields["request_id"] === requestId,
  );
  expect(logged.map(({ message }) => message)).toEqual([
    "an unexpected fault",
    "request completed with server error",
  ]);
  expect(logged[0]?.fields["error"]).toBeInstanceOf(Error);
});
