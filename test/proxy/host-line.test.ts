import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Headers, headerValue } from "../harness/http-message.ts";
import { exchange, type RawResponse } from "../harness/raw-client.ts";
import { type Lab, openLab } from "./lab.ts";

let lab: Lab;
beforeAll(async () => {
  lab = await openLab();
});
afterAll(() => lab[Symbol.asyncDispose]());

const targetAtProvider = () => lab.upstream.requests.at(-1)?.target;
const codeOf = (answer: RawResponse) => headerValue(answer.headers, "x-llm-proxy-error");

describe("the Host line never chooses the route (HTP-102)", () => {
  const targets = ["/v1/manage/projects", "/x/manage/tokens", "/v1/v1/models", "/x/health"];
  const served = ["a", "ab", "abc", "abcd", "a:1", "ab:8080", "manage.example"];
  const refused = ["evil/_admin", "a/b", "a@b", "evil?", "a#b", "a,b", "", "manage/projects?"];

  test.each(served)("Host: %s is served, all paths as data plane", async (host) => {
    for (const target of targets) {
      const headers: Headers = [["Host", host]];
      const anonymous = await lab.call(target, { token: "", headers });
      expect([anonymous.status, codeOf(anonymous)]).toEqual([401, "invalid_token"]);
      const manager = await lab.call(target, { token: lab.app.managementToken, headers });
      expect([manager.status, codeOf(manager)]).toEqual([401, "invalid_token"]);
      expect((await lab.call(target, { headers })).status).toBe(200);
      expect(targetAtProvider()).toBe(target);
    }
    expect((await lab.call("/manage/projects", { headers: [["Host", host]] })).status).toBe(401);
    expect(
      (await lab.call("/manage/projects", { token: lab.app.managementToken, headers: [["Host", host]] }))
        .status,
    ).toBe(200);
  });

  test.each(refused)("Host: %p is refused with 400", async (host) => {
    const before = lab.upstream.requests.length;
    for (const token of ["", lab.token, lab.app.managementToken]) {
      for (const target of [...targets, "/manage/projects", "/health"]) {
        const answer = await lab.call(target, { token, headers: [["Host", host]] });
        expect(answer.status).toBe(400);
        expect(answer.body.text()).not.toContain("projects");
      }
    }
    expect(lab.upstream.requests).toHaveLength(before);
  });

  test("two Host lines, and none with HTTP/1.0, are refused with 400", async () => {
    const auth = `Authorization: Bearer ${lab.app.managementToken}\r\n`;
    const requests = [
      `GET /manage/projects HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n${auth}\r\n`,
      `GET /manage/projects HTTP/1.0\r\n${auth}\r\n`,
      `GET /manage/projects HTTP/1.1\r\n${auth}\r\n`,
    ];
    for (const request of requests) expect((await exchange(lab.app.port, request)).status).toBe(400);
  });

  test("an upgrade to HTTP/2 is not one: it is served as HTTP/1.1, and nothing of it goes on (HTP-110)", async () => {
    const headers: Headers = [
      ["Connection", "Upgrade, HTTP2-Settings"],
      ["Upgrade", "h2c"],
      ["HTTP2-Settings", "AAMAAABkAAQCAAAAAAIAAAAA"],
    ];
    const answer = await lab.call("/v1/models", { headers });
    expect([answer.status, answer.complete]).toEqual([200, true]);
    expect(lab.upstream.requests.at(-1)?.headBytes.toString()).not.toMatch(/upgrade|http2/i);
  });

  test.each([
    "TRACE / HTTP/1.1",
    "PRI * HTTP/2.0",
    "CONNECT 127.0.0.1:9 HTTP/1.1",
    "CONNECT /v1/models HTTP/1.1",
    "OPTIONS * HTTP/1.1",
  ])("%s goes nowhere (HTP-110)", async (line) => {
    const before = lab.upstream.connections.length;
    const answer = await exchange(
      lab.app.port,
      `${line}\r\nHost: proxy.example\r\nAuthorization: Bearer ${lab.token}\r\nConnection: close\r\n\r\n`,
    );
    expect(answer.status === 204 || answer.status >= 400 || Number.isNaN(answer.status)).toBe(true);
    expect(lab.upstream.connections).toHaveLength(before);
  });
});
