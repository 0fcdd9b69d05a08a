import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { exchange } from "../harness/raw-client.ts";
import { managementToken, startServer, type TestServer } from "./test-server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server[Symbol.asyncDispose]());

async function ask(target: string, hostLines: string, version = "1.1") {
  const { status, body } = await exchange(
    server.port,
    `GET ${target} HTTP/${version}\r\n${hostLines}Authorization: Bearer ${managementToken}\r\n\r\n`,
  );
  return { status, text: body.text() };
}

describe.each(["a", "ab", "abc", "abcd", "a:1", "[::1]:80", "localhost:8080", "my_svc", "A.B.C"])(
  "HTP-102: with Host %s the route depends on the target alone",
  (host) => {
    test.each([
      "/v1/manage/projects",
      "/x/manage/tokens",
      "/abc/manage/projects",
      "/v1/v1/models",
      "/x/health",
      "/xx/docs",
      "//manage/projects",
      "/manage%2fprojects",
    ])("%s is the data plane's", async (target) => {
      expect(await ask(target, `Host: ${host}\r\n`)).toEqual({ status: 200, text: "the data plane" });
    });

    test.each([
      "/manage/projects",
      "/x/../manage/projects",
      "/x/%2e%2e/manage/projects",
      "http://other/manage/projects",
    ])("%s is the management API's", async (target) => {
      expect(await ask(target, `Host: ${host}\r\n`)).toEqual({ status: 200, text: "[]" });
    });
  },
);

describe("HTP-102: a Host line that is no host is 400, on both planes", () => {
  test.each([
    ["an empty one", "Host:\r\n"],
    ["two", "Host: abcd\r\nHost: efgh\r\n"],
    ["the same twice", "Host: abcd\r\nHost: abcd\r\n"],
    ["one with a path", "Host: evil/_admin\r\n"],
    ["one with a query", "Host: evil?x\r\n"],
    ["one with a fragment", "Host: evil#x\r\n"],
    ["one with a user", "Host: a@b\r\n"],
    ["one with a backslash", "Host: a\\b\r\n"],
    ["one with a blank", "Host: a b\r\n"],
  ])("%s", async (_, lines) => {
    for (const target of ["/manage/projects", "/v1/models"]) {
      const { status, text } = await ask(target, lines);
      expect(status).toBe(400);
      expect(JSON.parse(text).code).toBe("bad_request");
    }
  });

  test("none, in HTTP/1.0 and 1.1", async () => {
    expect((await ask("/manage/projects", "", "1.0")).status).toBe(400);
    expect((await ask("/v1/models", "", "1.0")).status).toBe(400);
    expect((await ask("/manage/projects", "")).status).toBe(400);
  });
});

test("what has no path is not dispatched", async () => {
  for (const line of ["CONNECT evil:80", "OPTIONS *", "GET manage"]) {
    const { status } = await exchange(server.port, `${line} HTTP/1.1\r\nHost: abcd\r\n\r\n`);
    expect([line, status]).toEqual([line, 400]);
  }
});

test("a target is handed to the data plane as it came", async () => {
  await using own = await startServer();
  await exchange(own.port, "GET /v1//x%2Fy/%7e;a=b/?q=%zz&?#fragment HTTP/1.1\r\nHost: ab\r\n\r\n");
  expect(own.seen).toEqual([{ path: "/v1//x%2Fy/%7e;a=b/", query: "?q=%zz&?" }]);
});

test("a header of 1 MB is refused with 431", async () => {
  const { status } = await ask("/manage/projects", `Host: abcd\r\nX: ${"a".repeat(1 << 20)}\r\n`);
  expect(status).toBe(431);
});
