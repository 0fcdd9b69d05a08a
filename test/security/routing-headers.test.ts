import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type FakeUpstream, startFakeUpstream } from "../harness/fake-upstream.ts";
import { type Headers, headerValue } from "../harness/http-message.ts";
import { type ProxyProcess, startProxy } from "../harness/proxy-process.ts";
import { exchange } from "../harness/raw-client.ts";
import { type LabRequest, requestBytes } from "../proxy/lab.ts";

let upstream: FakeUpstream;
let thief: FakeUpstream;
let proxy: ProxyProcess;
let token = "";
beforeAll(async () => {
  upstream = await startFakeUpstream();
  thief = await startFakeUpstream();
  proxy = await startProxy({ upstream: upstream.origin });
  const project = await proxy.newProject();
  ({ token } = await proxy.newToken(project.id));
});
afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  await thief[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});

const call = (target: string, request: LabRequest = {}) =>
  exchange(proxy.port, requestBytes(target, { token, ...request }));

describe("a caller cannot choose the host (SEC-102)", () => {
  const away = () => `127.0.0.1:${thief.port}`;
  const names = [
    "X-Forwarded-Host",
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-Target-URL",
    "X-Upstream",
    "X-Provider",
    "X-Base-URL",
    "Helicone-Target-Url",
    "x-portkey-custom-host",
    "Forwarded",
  ];
  test("by header fields", async () => {
    const headers: Headers = names.map((name) => [name, `http://${away()}/steal`]);
    const answer = await call("/v1/models", { headers });
    expect(answer.status).toBe(200);
    expect(upstream.requests.at(-1)?.target).toBe("/v1/models");
  });

  test("by the Host line", async () => {
    await call("/v1/models", { headers: [["Host", away()]] });
    expect(headerValue(upstream.requests.at(-1)!.headers, "host")).toBe(`127.0.0.1:${upstream.port}`);
  });

  test("by fields of the body, which arrives unchanged", async () => {
    const body = `{"api_base":"http://${away()}","base_url":"http://${away()}","model":"http://${away()}/x"}`;
    await call("/v1/chat/completions", { method: "POST", body });
    expect(upstream.requests.at(-1)?.body.text()).toBe(body);
  });

  const targets: [string, (host: string) => string][] = [
    ["a query", (host) => `/v1/models?base_url=http://${host}&api_base=http://${host}`],
    ["an absolute target", (host) => `http://${host}/v1/models`],
    ["an absolute target with user-info", (host) => `http://127.0.0.1@${host}/v1/models`],
    ["two slashes", (host) => `//${host}/v1/models`],
    ["an @ after the slash", (host) => `/@${host}/v1/models`],
    ["a backslash", (host) => `/\\${host}/v1/models`],
    ["a URL as path", (host) => `/http://${host}/v1/models`],
  ];
  test.each(targets)("by %s", async (_, target) => {
    const before = upstream.requests.length;
    const answer = await call(target(away()));
    if (answer.status === 200) expect(upstream.requests).toHaveLength(before + 1);
    else expect(answer.status).toBe(400);
  });

  afterAll(() => {
    expect(thief.connections).toHaveLength(0);
  });
});
