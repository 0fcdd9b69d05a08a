import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Bytes, Headers } from "../harness/http-message.ts";
import { headerValue } from "../harness/http-message.ts";
import type { RawResponse } from "../harness/raw-client.ts";
import { connectRaw } from "../harness/raw-client.ts";
import { chunk } from "../harness/upstream-steps.ts";
import { jsonOf, type Lab, openLab, requestBytes } from "./lab.ts";

let lab: Lab;
let token = "";
beforeAll(async () => {
  lab = await openLab({
    env: { MAX_REQUEST_SIZE: "64KiB" },
    providers: `  checked:
    base_url: $UPSTREAM
    allowed_methods: [GET, POST, PUT, PATCH, DELETE]
    allowed_endpoints: ["/*"]
    param_whitelist:
      model: [gpt-4o, "gpt-4o-*", "org/[a-c]?"]
      temperature: ["0*", "1"]
      store: ["false"]
      user: ["null", "team-*"]
`,
  });
  const project = await lab.app.newProject({ provider: "checked" });
  ({ token } = await lab.app.newToken(project.id));
});
afterAll(() => lab[Symbol.asyncDispose]());

const codeOf = (answer: RawResponse) => headerValue(answer.headers, "x-llm-proxy-error") ?? "";

/** Sends a body to the checked provider; tells the code of the refusal, "" where it passed with its bytes. */
async function verdict(
  body: Bytes,
  headers: Headers = [["Content-Type", "application/json"]],
  method = "POST",
) {
  const before = lab.upstream.requests.length;
  const answer = await lab.call("/v1/x", { token, method, body, headers });
  const code = codeOf(answer);
  expect(lab.upstream.requests).toHaveLength(code === "" ? before + 1 : before);
  if (code === "") expect(lab.upstream.requests.at(-1)?.body.bytes()).toEqual(Buffer.from(body as string));
  return code;
}

describe("values of JSON fields", () => {
  const bodies: [string, string][] = [
    ['{"model":"gpt-4o"}', ""],
    ['{"model":"gpt-4o-mini"}', ""],
    ['{"model":"gpt\\u002d4o"}', ""],
    ['{"mod\\u0065l":"gpt-4o"}', ""],
    ['{"model":"org/a1"}', ""],
    ['{"model":"org/d1"}', "param_not_allowed"],
    ['{"model":"gpt-4o-mini/x"}', "param_not_allowed"],
    ['{"model":"o3"}', "param_not_allowed"],
    ['{"mod\\u0065l":"o3"}', "param_not_allowed"],
    ['{"model":""}', "param_not_allowed"],
    ['{"model":"GPT-4O"}', "param_not_allowed"],
    ['{"model":" gpt-4o"}', "param_not_allowed"],
    ['{"model":4}', "param_not_allowed"],
    ['{"model":null}', "param_not_allowed"],
    ['{"model":["gpt-4o"]}', "invalid_request_body"],
    ['{"model":{"id":"gpt-4o"}}', "invalid_request_body"],
    ['{"model":"gpt-4o","model":"gpt-4o"}', "invalid_request_body"],
    ['{"model":"gpt-4o","mod\\u0065l":"o3"}', "invalid_request_body"],
    ['{"other":1,"other":2}', ""],
    ['{"messages":[{"model":"o3"}]}', ""],
    ["{}", ""],
    ["", ""],
    ['{"temperature":0.7}', ""],
    ['{"temperature":1}', ""],
    ['{"temperature":1.0}', "param_not_allowed"],
    ['{"temperature":1e0}', "param_not_allowed"],
    ['{"temperature":"1"}', ""],
    ['{"store":false,"user":null}', ""],
    ['{"store":true}', "param_not_allowed"],
    ['{"user":"team-1"}', ""],
    ["{", "invalid_request_body"],
    ["[]", "invalid_request_body"],
    ["null", "invalid_request_body"],
    ['{"model":"gpt-4o"}{"model":"o3"}', "invalid_request_body"],
    ["{'model':'gpt-4o'}", "invalid_request_body"],
    ["   ", "invalid_request_body"],
    ["model=gpt-4o", "invalid_request_body"],
  ];
  test.each(bodies)("%s %p", async (body, code) => {
    expect(await verdict(body)).toBe(code);
  });

  test("broken UTF-8 is not JSON", async () => {
    expect(await verdict(Buffer.from('{"model":"gpt-4o\xff"}', "latin1"))).toBe("invalid_request_body");
  });

  test("the refusal names parameter, value and what is allowed", async () => {
    const answer = await lab.call("/v1/x", { token, body: '{"model":"o3"}' });
    expect(jsonOf(answer).error.message).toStartWith(
      'A parameter has a value that is not allowed: model is "o3", allowed are gpt-4o, gpt-4o-*, org/[a-c]?',
    );
  });
});

describe("the type of a body does not walk round the check", () => {
  const good = '{"model":"gpt-4o"}';
  const bad = '{"model":"o3"}';
  const types = [
    "application/json",
    "application/json; charset=utf-8",
    "APPLICATION/JSON",
    "application/vnd.api+json",
    "text/plain",
    "application/octet-stream",
    "nonsense",
    "",
  ];
  test.each(types)("JSON sent as %p", async (type) => {
    const headers: Headers = type === "" ? [] : [["Content-Type", type]];
    expect(await verdict(good, headers)).toBe("");
    expect(await verdict(bad, headers)).toBe("param_not_allowed");
  });

  test.each(["PUT", "PATCH", "DELETE"])("%s is checked as well", async (method) => {
    expect(await verdict(bad, [], method)).toBe("param_not_allowed");
    expect(await verdict(good, [], method)).toBe("");
  });

  const form = (...fields: string[]) =>
    `${fields.map((field) => `--b\r\nContent-Disposition: form-data; ${field}\r\n`).join("")}--b--\r\n`;
  const multipart: Headers = [["Content-Type", "multipart/form-data; boundary=b"]];
  const urlencoded: Headers = [["Content-Type", "application/x-www-form-urlencoded"]];
  const forms: [string, string | Buffer, Headers, string][] = [
    [
      "multipart, allowed",
      form('name="model"\r\n\r\ngpt-4o', 'name="file"; filename="a"\r\n\r\nxyz'),
      multipart,
      "",
    ],
    ["multipart, not allowed", form('name="model"\r\n\r\no3'), multipart, "param_not_allowed"],
    [
      "multipart, twice",
      form('name="model"\r\n\r\ngpt-4o', 'name="model"\r\n\r\no3'),
      multipart,
      "invalid_request_body",
    ],
    [
      "multipart, as a file",
      form('name="model"; filename="m"\r\n\r\ngpt-4o'),
      multipart,
      "invalid_request_body",
    ],
    [
      "multipart with another boundary",
      form('name="model"\r\n\r\no3'),
      [["Content-Type", "multipart/form-data; boundary=c"]],
      "invalid_request_body",
    ],
    [
      "multipart without a boundary",
      form('name="model"\r\n\r\no3'),
      [["Content-Type", "multipart/form-data"]],
      "invalid_request_body",
    ],
    [
      "multipart with bare line feeds",
      form('name="model"\r\n\r\no3').replaceAll("\r\n", "\n"),
      multipart,
      "invalid_request_body",
    ],
    ["JSON that says it is multipart", bad, multipart, "invalid_request_body"],
    ["urlencoded, allowed", "a=1&model=gpt-4o", urlencoded, ""],
    ["urlencoded, allowed and escaped", "mod%65l=gpt%2D4o", urlencoded, ""],
    ["urlencoded, not allowed", "model=o3", urlencoded, "param_not_allowed"],
    ["half of JSON, as a form", `${bad}x`, urlencoded, "invalid_request_body"],
    ["two JSON values, as a form", `\ufeff\r\n ${bad}${good}`, urlencoded, "invalid_request_body"],
    ["JSON and no UTF-8, as a form", Buffer.from(`${bad}\xff`, "latin1"), urlencoded, "invalid_request_body"],
    ["a list, as a form", `[${bad}]`, urlencoded, "invalid_request_body"],
    ["urlencoded, twice", "model=gpt-4o&mod%65l=o3", urlencoded, "invalid_request_body"],
  ];
  test.each(forms)("%s", async (...[, body, headers, code]) => {
    expect(await verdict(body, headers)).toBe(code);
  });

  const both: [string, string][] = [
    [bad, "param_not_allowed"],
    [good, ""],
    ['{"a":"&model=o3&"}', "param_not_allowed"],
    ['{"model":"o3","b":"&model=gpt-4o&"}', "invalid_request_body"],
  ];
  test.each(both)("%s sent as a form is checked in both readings", async (body, code) => {
    expect(await verdict(body, urlencoded)).toBe(code);
  });

  test.each(["gzip", "br", "zstd", "x-unknown", "gzip, identity"])(
    "Content-Encoding %s cannot be checked (ENC-106)",
    async (coding) => {
      expect(await verdict(Bun.gzipSync(good), [["Content-Encoding", coding]])).toBe("unsupported_encoding");
    },
  );

  test("identity is no coding", async () => {
    expect(await verdict(good, [["Content-Encoding", "identity"]])).toBe("");
  });
});

describe("a body that must be held is bounded by MAX_REQUEST_SIZE (BOD-103)", () => {
  const max = 64 * 1024;
  const padded = (length: number) => `{"model":"gpt-4o"}${" ".repeat(length - 18)}`;

  test("exactly the bound passes, one byte more does not", async () => {
    expect(await verdict(padded(max))).toBe("");
    expect(await verdict(padded(max + 1))).toBe("request_too_large");
  });

  test("without a length as well", async () => {
    const chunked: Headers = [["Transfer-Encoding", "chunked"]];
    const send = (body: string) =>
      lab.call("/v1/x", {
        token,
        method: "POST",
        headers: chunked,
        body: Buffer.concat([chunk(body), chunk("")]),
      });
    expect((await send(padded(max))).status).toBe(200);
    const before = lab.upstream.requests.length;
    const answer = await send(padded(max + 1));
    expect([answer.status, codeOf(answer)]).toEqual([413, "request_too_large"]);
    expect(jsonOf(answer).error.message).toContain(`${max} bytes`);
    expect(lab.upstream.requests).toHaveLength(before);
  });

  test("a length above it is refused before the body is sent", async () => {
    using client = await connectRaw(lab.app.port);
    const headers: Headers = [["Content-Length", String(300 << 20)]];
    await client.send(requestBytes("/v1/x", { method: "POST", token, headers }));
    expect((await client.response({ method: "POST" })).status).toBe(413);
  });

  test("a body that only passes has no bound", async () => {
    const body = Buffer.alloc(20 << 20, "x");
    expect((await lab.call("/v1/files", { body })).status).toBe(200);
    expect(lab.upstream.requests.at(-1)?.body.length).toBe(body.length);
  });
});

describe("ENABLE_STREAMING=false", () => {
  let still: Lab;
  beforeAll(async () => {
    still = await openLab({ env: { ENABLE_STREAMING: "false" } });
  });
  afterAll(() => still[Symbol.asyncDispose]());
  const asked: [string, string | undefined, string][] = [
    ["/v1/x", '{"stream":true}', "streaming_disabled"],
    ["/v1/x", '{"stre\\u0061m":true}', "streaming_disabled"],
    ["/v1/x", '{"stream":false,"stream":true}', "streaming_disabled"],
    ["/v1/x", '{"stream":1}', "streaming_disabled"],
    ["/v1/x", '{"stream":"yes"}', "streaming_disabled"],
    ["/v1/x", '{"Stream":true}', "streaming_disabled"],
    ["/v1/x", '{"stream":false}', ""],
    ["/v1/x", '{"stream":null}', ""],
    ["/v1/x", '{"stream":0}', ""],
    ["/v1/x", "{}", ""],
    ["/v1/x?str%65am=true", undefined, "streaming_disabled"],
    ["/v1/x?stream=%74rue", undefined, "streaming_disabled"],
    ["/v1/x?a=1;stream=1", undefined, "streaming_disabled"],
    ["/v1/x?alt=ss%65", undefined, "streaming_disabled"],
    ["/v1/x?stream=false&alt=json&streams=true", undefined, ""],
    ["/v1beta/models/g:stream%47enerateContent", "{}", "streaming_disabled"],
    ["/v1beta/models/g%3AstreamGenerateContent", "{}", "streaming_disabled"],
    ["/v1/x?stream=true", undefined, "streaming_disabled"],
    ["/v1/x?a&alt=sse", undefined, "streaming_disabled"],
    ["/v1beta/models/g:streamGenerateContent", "{}", "streaming_disabled"],
    ["/v1beta/models/g:generateContent", "{}", ""],
    ["/v1/x", undefined, ""],
  ];
  test.each(asked)("%s with %p: %p", async (target, body, code) => {
    const answer = await still.call(target, { ...(body !== undefined && { body }) });
    expect(codeOf(answer)).toBe(code);
  });
});

test("the checks come in their order: credential, project, method, path, body, limits", async () => {
  const project = await lab.app.newProject({ provider: "checked" });
  const used = await lab.app.newToken(project.id, { max_requests: 1 });
  expect((await lab.call("/v1/x", { token: used.token })).status).toBe(200);
  const all = { method: "TRACE", body: '{"model":"o3"}' };
  expect(codeOf(await lab.call("/v1/..%2f", { ...all, token: "" }))).toBe("invalid_token");
  expect(codeOf(await lab.call("/v1/..%2f", { ...all, token: used.token }))).toBe("method_not_allowed");
  expect(codeOf(await lab.call("/v1/..%2f", { ...all, token: used.token, method: "POST" }))).toBe(
    "invalid_path",
  );
  expect(codeOf(await lab.call("/v1/x", { ...all, token: used.token, method: "POST" }))).toBe(
    "param_not_allowed",
  );
  expect(codeOf(await lab.call("/v1/x", { token: used.token }))).toBe("rate_limit_exceeded");
  await lab.app.manage("PATCH", `/projects/${project.id}`, { is_active: false });
  expect(codeOf(await lab.call("/v1/..%2f", { ...all, token: used.token }))).toBe("project_inactive");
});
