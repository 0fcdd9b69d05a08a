import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { startApp } from "../harness/app-in-process.ts";
import { startFakeUpstream } from "../harness/fake-upstream.ts";
import { type Headers, headerValue, headerValues } from "../harness/http-message.ts";
import type { RawResponse } from "../harness/raw-client.ts";
import { exchange } from "../harness/raw-client.ts";
import { temporaryDirectory } from "../harness/temporary-directory.ts";
import { jsonOf, type Lab, openLab } from "./lab.ts";

const bases = ["", "/", "/v1", "/v1/", "/openai/deployments/gpt%2D4o", "/a/v2", "/v1beta/openai"];
const providers = `
  second: {base_url: $UPSTREAM/second, allowed_methods: [GET, POST], allowed_endpoints: ["/*"]}
  keyless: {base_url: $UPSTREAM/keyless, auth: none, allowed_methods: [GET], allowed_endpoints: ["/*"]}
  narrow:
    base_url: $UPSTREAM
    allowed_methods: [get, post]
    allowed_endpoints: [/v1/models, /v1/chat/completions$, /v1/files/*/content, "/v1beta/models/*:generateContent"]
  strict:
    base_url: $UPSTREAM
    allowed_methods: [GET, POST]
    allowed_endpoints: ["/*"]
    allowed_origins: [https://app.example]
    required_headers: [origin, X-Team]
${bases.map((base, n) => `  base-${n}: {base_url: "$UPSTREAM${base}", allowed_methods: [GET], allowed_endpoints: ["/*"]}`).join("\n")}
`;

let lab: Lab;
beforeAll(async () => {
  lab = await openLab({ providers });
});
afterAll(() => lab[Symbol.asyncDispose]());

const targetAtProvider = () => lab.upstream.requests.at(-1)?.target;
const codeOf = (answer: RawResponse) => headerValue(answer.headers, "x-llm-proxy-error");

async function tokenOf(provider: string): Promise<string> {
  const project = await lab.app.newProject({ provider });
  return (await lab.app.newToken(project.id)).token;
}

describe("which provider", () => {
  test("a project's own, whatever the path begins with", async () => {
    await lab.call("/second/v1/models");
    expect(targetAtProvider()).toBe("/second/v1/models");
    await lab.call("/keyless/v1/models");
    expect(targetAtProvider()).toBe("/keyless/v1/models");
  });

  test("/<provider>/… picks one that the project has a key for, with that key", async () => {
    const project = await lab.app.newProject();
    const { token } = await lab.app.newToken(project.id);
    await lab.app.manage("POST", `/projects/${project.id}/keys`, {
      provider: "second",
      api_key: "sk-second-key-0123456789",
    });
    await lab.call("/second/v1/models?x=%2F", { token });
    expect(targetAtProvider()).toBe("/second/v1/models?x=%2F");
    expect(headerValue(lab.upstream.requests.at(-1)!.headers, "authorization")).toBe(
      "Bearer sk-second-key-0123456789",
    );
    await lab.call("/v1/models", { token });
    expect(headerValue(lab.upstream.requests.at(-1)!.headers, "authorization")).toBe(
      `Bearer ${lab.app.providerKey}`,
    );
    await lab.call("/lab/v1/models", { token });
    expect(targetAtProvider()).toBe("/v1/models");
    await lab.call("/second", { token });
    expect(targetAtProvider()).toBe("/second");
    await lab.call("/Second/v1", { token });
    expect(targetAtProvider()).toBe("/Second/v1");
  });

  test("not given at creation, it is the default", async () => {
    const project = await lab.app.newProject({ provider: undefined });
    expect(project.provider).toBe("lab");
  });

  test("one that has gone from the file does not stop the start; its projects get 404", async () => {
    using data = temporaryDirectory();
    await using upstream = await startFakeUpstream();
    const yaml = `  leaving: {base_url: ${upstream.origin}, allowed_methods: [GET], allowed_endpoints: ["/*"]}\n`;
    const env = { ENCRYPTION_KEY: Buffer.alloc(32, 7).toString("base64") };
    const common = { upstream: upstream.origin, dataDirectory: data.path, env };
    const { token } = await (async () => {
      await using before = await startApp({ ...common, providers: yaml });
      const project = await before.newProject({ provider: "leaving" });
      return await before.newToken(project.id);
    })();
    await using after = await startApp(common);
    const answer = await exchange(
      after.port,
      `GET /v1/models HTTP/1.1\r\nHost: proxy.example\r\nx-api-key: ${token}\r\n\r\n`,
    );
    expect([answer.status, codeOf(answer)]).toEqual([404, "provider_not_found"]);
    expect(jsonOf(answer).error.message).toContain("leaving");
    expect(upstream.requests).toHaveLength(0);
  });
});

describe("base_url joined with the request path (HTP-111)", () => {
  const paths = ["/v1/chat/completions", "/chat/completions?api-version=1", "/"];
  const joined: Record<string, readonly string[]> = {
    "": ["/v1/chat/completions", "/chat/completions?api-version=1", "/"],
    "/": ["/v1/chat/completions", "/chat/completions?api-version=1", "/"],
    "/v1": ["/v1/chat/completions", "/v1/chat/completions?api-version=1", "/v1/"],
    "/v1/": ["/v1/chat/completions", "/v1/chat/completions?api-version=1", "/v1/"],
    "/openai/deployments/gpt%2D4o": [
      "/openai/deployments/gpt%2D4o/v1/chat/completions",
      "/openai/deployments/gpt%2D4o/chat/completions?api-version=1",
      "/openai/deployments/gpt%2D4o/",
    ],
    "/a/v2": ["/a/v2/v1/chat/completions", "/a/v2/chat/completions?api-version=1", "/a/v2/"],
    "/v1beta/openai": [
      "/v1beta/openai/v1/chat/completions",
      "/v1beta/openai/chat/completions?api-version=1",
      "/v1beta/openai/",
    ],
  };
  test.each(bases.map((base, n) => [base, n] as const))("%p", async (base, n) => {
    const token = await tokenOf(`base-${n}`);
    const targets: (string | undefined)[] = [];
    for (const path of paths) {
      expect((await lab.call(path, { token })).status).toBe(200);
      targets.push(targetAtProvider());
    }
    expect(targets).toEqual([...(joined[base] ?? [])]);
  });
});

test.each(["/a//b", "/base?k=v", "/base#part"])(
  "a base_url that ends in %s stops the start (HTP-111, HTP-105)",
  async (end) => {
    const entry = `{base_url: "$UPSTREAM${end}", allowed_methods: [GET], allowed_endpoints: ["/*"]}`;
    await expect(openLab({ providers: `  odd: ${entry}\n` })).rejects.toThrow(/base_url/);
  },
);

describe("paths and queries go as they came (HTP-105, HTP-116)", () => {
  const targets = [
    "/v1/files?api-version=2025-01-01&after=a%2Bb+c%20d&x=&x=2&y&z=%e4%bd%a0&&=1&q=a=b&f[]=1;2",
    "/v1/a%2Fb/c%20d",
    "/v1/%7Euser/%zz",
    "/v1//models///x",
    "/v1/models/",
    "/V1/Models",
    "/v1/models?",
    "/v1/models?a=b?c",
    "/v1beta/models/g:generateContent",
    "/v1;x/chat/@y/*!'()",
    "/",
    "/?a",
  ];
  test.each(targets)("%s", async (target) => {
    expect((await lab.call(target)).status).toBe(200);
    expect(targetAtProvider()).toBe(target);
    expect((await lab.call(`${target}#frag`)).status).toBe(200);
    expect(targetAtProvider()).toBe(target);
  });

  test.each(["HEAD", "POST", "PUT", "PATCH", "DELETE"])(
    "%s goes as it is; OPTIONS is answered here",
    async (method) => {
      const before = lab.upstream.requests.length;
      expect((await lab.call("/v1/models/", { method })).status).toBe(200);
      expect([lab.upstream.requests.at(-1)?.method, targetAtProvider()]).toEqual([method, "/v1/models/"]);
      expect((await lab.call("/v1/models/", { method: "OPTIONS" })).status).toBe(204);
      expect(lab.upstream.requests).toHaveLength(before + 1);
    },
  );
});

describe("the allow-list", () => {
  const asked: [string, string, number | string][] = [
    ["GET", "/v1/models", 200],
    ["GET", "/v1/models?x=1", 200],
    ["GET", "/v1/models/gpt-4o", 200],
    ["HEAD", "/v1/models", 200],
    ["POST", "/v1/chat/completions", 200],
    ["GET", "/v1/files/f1/content", 200],
    ["POST", "/v1beta/models/gemini:generateContent", 200],
    ["GET", "/v1/models/a%2Fb", 200],
    ["GET", "/v1/%6dodels", "endpoint_not_found"],
    ["GET", "/v1/modelsX", "endpoint_not_found"],
    ["GET", "/v1", "endpoint_not_found"],
    ["GET", "/", "endpoint_not_found"],
    ["POST", "/v1/chat/completions/", "endpoint_not_found"],
    ["POST", "/v1/chat/completions/x", "endpoint_not_found"],
    ["GET", "/v1/files/a/b/content", "endpoint_not_found"],
    ["GET", "/v1/files/a%2Fb/content", "endpoint_not_found"],
    ["POST", "/v1beta/models/gemini:countTokens", "endpoint_not_found"],
    ["GET", "//v1/models", "endpoint_not_found"],
    ["GET", "/V1/models", "endpoint_not_found"],
    ["GET", "/v1/models/..%2Fsecrets", "invalid_path"],
    ["GET", "/v1/models/%2e%2e%2fsecrets", "invalid_path"],
    ["GET", "/v1/models/.%2e/x%2F..", "invalid_path"],
    ["GET", "/v1/models/%252e%252E/secrets", "invalid_path"],
    ["GET", "/v1/models/x%252f..%252fy", "invalid_path"],
    ["GET", "/v1/models/..;/secrets", "invalid_path"],
    ["GET", "/v1/models/..;a=b/secrets", "invalid_path"],
    ["GET", "/v1/models/%2e%2e%3b/secrets", "invalid_path"],
    ["GET", "/v1/models/.;x", "invalid_path"],
    ["GET", "/v1/models/a..;b/...;/%2525", 200],
    ["GET", "/v1/models/a%5Cb", "invalid_path"],
    ["GET", "/v1/models/a%00", "invalid_path"],
    ["GET", "/v1/models/a%0d%0aX-A:1", "invalid_path"],
    ["GET", "/v1/models/../../manage/projects", 401],
    ["GET", "/v1/models/%2e%2e/%2E%2E/manage/projects", 401],
    ["GET", "/v1/models/..", "endpoint_not_found"],
    ["GET", "/v1/models/../files", "endpoint_not_found"],
    ["GET", "/v1/./models", 200],
    ["GET", "/v1\\models", 200],
    ["PUT", "/v1/models", "method_not_allowed"],
    ["DELETE", "/other", "method_not_allowed"],
    ["TRACE", "/v1/models", "method_not_allowed"],
  ];
  let token = "";
  beforeAll(async () => {
    token = await tokenOf("narrow");
  });
  test.each(asked)("%s %s: %p (HTP-103)", async (method, target, expected) => {
    const before = lab.upstream.requests.length;
    const answer = await lab.call(target, { token, method });
    expect(typeof expected === "number" ? answer.status : (codeOf(answer) ?? answer.status)).toBe(expected);
    expect(lab.upstream.requests).toHaveLength(expected === 200 ? before + 1 : before);
    if (expected === 200) expect(lab.upstream.requests.at(-1)?.method).toBe(method);
  });
});

test.each(["/v1/./models", "/v1/x/../models", "/v1/%2e/models", "/v1/x/%2E%2e/models", "/v1/a%2Fb//c"])(
  "%s: what is checked, sent and written down is one and the same path (HTP-103)",
  async (target) => {
    await using own = await openLab();
    expect((await own.call(target)).status).toBe(200);
    const [record] = await own.records(1);
    expect(record?.path).toBe(own.upstream.requests.at(-1)?.target as string);
    await own.app.stop();
    expect(own.app.log()).toContain(JSON.stringify(record?.path));
  },
);

describe("origins, required headers and CORS", () => {
  let token = "";
  beforeAll(async () => {
    token = await tokenOf("strict");
  });
  const asked: [string, Headers, string | undefined][] = [
    [
      "both there",
      [
        ["Origin", "https://app.example"],
        ["x-team", "a"],
      ],
      undefined,
    ],
    ["no origin", [["x-team", "a"]], "origin_required"],
    [
      "another origin",
      [
        ["Origin", "https://evil.example"],
        ["x-team", "a"],
      ],
      "origin_not_allowed",
    ],
    [
      "the origin with something behind it",
      [
        ["Origin", "https://app.example.evil"],
        ["x-team", "a"],
      ],
      "origin_not_allowed",
    ],
    [
      "null",
      [
        ["Origin", "null"],
        ["x-team", "a"],
      ],
      "origin_not_allowed",
    ],
    ["a header missing", [["Origin", "https://app.example"]], "header_required"],
  ];
  test.each(asked)("%s", async (_, headers, code) => {
    const answer = await lab.call("/v1/models", { token, headers });
    expect(codeOf(answer)).toBe(code as string);
    if (code === "header_required") expect(jsonOf(answer).error.message).toContain("x-team");
    // a page must be able to read what it has to mend
    expect(headerValues(answer.headers, "access-control-allow-origin")).toEqual(
      code === undefined || code === "header_required" ? ["https://app.example"] : [],
    );
  });

  test("a refused token can be told from a network error by a page whose origin may call", async () => {
    const from = async (target: string, origin: string) => {
      const { headers } = await lab.call(target, { token: "sk-wt-typo", headers: [["Origin", origin]] });
      return headerValues(headers, "access-control-allow-origin");
    };
    expect(await from("/v1/models", "https://any.example")).toEqual(["https://any.example"]);
    expect(await from("/strict/v1/models", "https://evil.example")).toEqual([]);
  });

  test("an answer to a page names its origin and what it may read", async () => {
    lab.upstream.answerNext([
      (link) => link.readBody(),
      (link) => link.write("HTTP/1.1 200 OK\r\nVary: Accept\r\nContent-Length: 0\r\n\r\n"),
    ]);
    const { headers } = await lab.call("/v1/models", { headers: [["Origin", "https://any.example"]] });
    expect(headerValue(headers, "access-control-allow-origin")).toBe("https://any.example");
    expect(headerValue(headers, "access-control-expose-headers")).toContain("X-Request-ID");
    expect(headerValue(headers, "vary")).toBe("Accept, Origin");
  });

  const preflights: [string, Headers, Record<string, string | undefined>][] = [
    [
      "/v1/models",
      [
        ["Origin", "https://any.example"],
        ["Access-Control-Request-Headers", "x-a, x-b"],
      ],
      {
        "access-control-allow-origin": "https://any.example",
        "access-control-allow-methods": "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
        "access-control-allow-headers": "x-a, x-b",
        "access-control-max-age": "86400",
        vary: "Origin",
      },
    ],
    [
      "/strict/v1/models",
      [["Origin", "https://app.example"]],
      {
        "access-control-allow-origin": "https://app.example",
        "access-control-allow-methods": "GET, POST, HEAD, OPTIONS",
        "access-control-allow-headers": "Authorization, Content-Type, X-Requested-With",
      },
    ],
    [
      "/strict/v1/models",
      [["Origin", "https://evil.example"]],
      { "access-control-allow-origin": undefined, "access-control-allow-methods": undefined },
    ],
    ["/v1/models", [], { "access-control-allow-origin": undefined }],
  ];
  test.each(preflights)("preflight of %s with %j", async (target, headers, expected) => {
    const before = lab.upstream.requests.length;
    const answer = await lab.call(target, { token: "", method: "OPTIONS", headers });
    expect([answer.status, answer.body.length]).toEqual([204, 0]);
    for (const [name, value] of Object.entries(expected))
      expect(headerValue(answer.headers, name)).toBe(value as string);
    expect(lab.upstream.requests).toHaveLength(before);
  });

  test("process-wide origins, methods, headers and age hold where a provider names none", async () => {
    await using own = await openLab({
      env: {
        CORS_ALLOWED_ORIGINS: "https://one.example",
        CORS_ALLOWED_METHODS: "GET",
        CORS_ALLOWED_HEADERS: "X-Only",
        CORS_MAX_AGE: "60",
      },
    });
    const preflight = await own.call("/v1/models", {
      token: "",
      method: "OPTIONS",
      headers: [["Origin", "https://one.example"]],
    });
    expect(headerValue(preflight.headers, "access-control-allow-methods")).toBe("GET, OPTIONS");
    expect(headerValue(preflight.headers, "access-control-allow-headers")).toBe("X-Only");
    expect(headerValue(preflight.headers, "access-control-max-age")).toBe("60");
    expect(codeOf(await own.call("/v1/models", { headers: [["Origin", "https://two.example"]] }))).toBe(
      "origin_not_allowed",
    );
    expect((await own.call("/v1/models", { headers: [["Origin", "https://one.example"]] })).status).toBe(200);
  });
});
