import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Headers, headerValue } from "../harness/http-message.ts";
import { jsonOf, type Lab, openLab } from "./lab.ts";

const all = `base_url: $UPSTREAM, allowed_methods: [GET], allowed_endpoints: ["/*"]`;
const providers = `
  with-bearer: {${all}, auth: bearer}
  with-x-api-key: {${all}, auth: x-api-key}
  with-api-key: {${all}, auth: api-key}
  with-goog: {${all}, auth: x-goog-api-key}
  with-header: {${all}, auth: {scheme: header, name: xi-api-key, prefix: "Token "}}
  with-query: {${all}, auth: "query:key"}
  with-none: {${all}, auth: none}
`;
const credentialNames = ["authorization", "x-api-key", "api-key", "x-goog-api-key", "xi-api-key"];

let lab: Lab;
beforeAll(async () => {
  lab = await openLab({ providers });
});
afterAll(() => lab[Symbol.asyncDispose]());

/** Credential header fields of a request at the provider. */
function credentialsIn(headers: Headers): Headers {
  return headers
    .map(([name, value]) => [name.toLowerCase(), value] as const)
    .filter(([name]) => credentialNames.includes(name));
}

async function projectOf(provider: string, fields: Record<string, unknown> = {}) {
  const project = await lab.app.newProject({ provider, ...fields });
  return { id: project.id as string, token: (await lab.app.newToken(project.id)).token as string };
}

describe("the provider's own scheme, set exactly once (AUT-102)", () => {
  const wanted: [string, (key: string) => { target: string; credentials: Headers }][] = [
    [
      "with-bearer",
      (key) => ({ target: "/v1/models?b=2&a=1", credentials: [["authorization", `Bearer ${key}`]] }),
    ],
    ["with-x-api-key", (key) => ({ target: "/v1/models?b=2&a=1", credentials: [["x-api-key", key]] })],
    ["with-api-key", (key) => ({ target: "/v1/models?b=2&a=1", credentials: [["api-key", key]] })],
    ["with-goog", (key) => ({ target: "/v1/models?b=2&a=1", credentials: [["x-goog-api-key", key]] })],
    [
      "with-header",
      (key) => ({ target: "/v1/models?b=2&a=1", credentials: [["xi-api-key", `Token ${key}`]] }),
    ],
    ["with-query", (key) => ({ target: `/v1/models?b=2&a=1&key=${key}`, credentials: [] })],
  ];
  test.each(wanted)("%s", async (provider, expected) => {
    const { token } = await projectOf(provider);
    const answer = await lab.call(`/v1/models?b=2&key=${token}&a=1`, {
      token,
      headers: [["x-api-key", token]],
    });
    expect(answer.status).toBe(200);
    const request = lab.upstream.requests.at(-1)!;
    const { target, credentials } = expected(lab.app.providerKey);
    expect(request.target).toBe(target);
    expect(credentialsIn(request.headers)).toEqual(credentials);
    expect(request.headBytes.toString().split(lab.app.providerKey)).toHaveLength(2);
  });

  test.each([
    ["?key=AIza-theirs&b=%2B+2&a", "?b=%2B+2&a&"],
    ["?b&KEY=AIza-theirs;c", "?b;c&"],
    ["?k%65y=AIza-theirs", "?"],
    ["?monkey=1&&keys", "?monkey=1&&keys&"],
  ])("a provider that takes its key in the query gets no other one: %s", async (query, before) => {
    const { token } = await projectOf("with-query");
    expect((await lab.call(`/v1/models${query}`, { token })).status).toBe(200);
    expect(lab.upstream.requests.at(-1)?.target).toBe(`/v1/models${before}key=${lab.app.providerKey}`);
  });

  test("a provider without keys gets none, and its project needs none", async () => {
    const { token } = await projectOf("with-none", { api_key: undefined });
    expect((await lab.call("/v1/models", { token })).status).toBe(200);
    expect(credentialsIn(lab.upstream.requests.at(-1)!.headers)).toEqual([]);
  });

  test("a project without a key is refused here (AUT-101)", async () => {
    const { id, token } = await projectOf("with-bearer");
    const [key] = (await lab.app.manage("GET", `/projects/${id}/keys`)).json;
    await lab.app.manage("DELETE", `/projects/${id}/keys/${key.id}`);
    const before = lab.upstream.requests.length;
    const answer = await lab.call("/v1/models", { token });
    expect([answer.status, headerValue(answer.headers, "x-llm-proxy-error")]).toEqual([
      503,
      "upstream_auth_error",
    ]);
    expect(lab.upstream.requests).toHaveLength(before);
  });

  test("it changes while calls run: each call has one scheme, and those after the change the new one", async () => {
    const { id, token } = await projectOf("with-bearer");
    const newKey = "sk-of-the-other-0123456789";
    await lab.app.manage("POST", `/projects/${id}/keys`, { provider: "with-x-api-key", api_key: newKey });
    const before = lab.upstream.requests.length;
    let isOver = false;
    const calling = Array.from({ length: 4 }, async () => {
      while (!isOver) expect((await lab.call("/v1/models", { token })).status).toBe(200);
    });
    while (lab.upstream.requests.length < before + 8) await Bun.sleep(1);
    const patched = await lab.app.manage("PATCH", `/projects/${id}`, { provider: "with-x-api-key" });
    expect(patched.status).toBe(200);
    await lab.call("/v1/after", { token });
    const after = lab.upstream.requests.find(({ target }) => target === "/v1/after");
    expect(credentialsIn(after?.headers ?? [])).toEqual([["x-api-key", newKey]]);
    isOver = true;
    await Promise.all(calling);
    const seen = new Set(
      lab.upstream.requests.slice(before).map(({ headers }) => JSON.stringify(credentialsIn(headers))),
    );
    const either = [[["authorization", `Bearer ${lab.app.providerKey}`]], [["x-api-key", newKey]]];
    expect([...seen].filter((each) => !either.map((one) => JSON.stringify(one)).includes(each))).toEqual([]);
  });
});

describe("a caller's own signature does not go with the project's key (AUT-107)", () => {
  const signature =
    "AWS4-HMAC-SHA256 Credential=AKID/20250101/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=0f";
  const signed: Headers = [
    ["x-amz-security-token", "session"],
    ["X-Amz-Date", "20250101T000000Z"],
    ["x-amz-content-sha256", "0f"],
    ["Signature-Input", 'sig1=("@method");keyid="k"'],
    ["Signature", "sig1=:AAAA:"],
  ];

  test("as Authorization it is no token: 401, and beside one 400", async () => {
    const before = lab.upstream.requests.length;
    const headers: Headers = [["Authorization", signature], ...signed];
    const alone = await lab.call("/v1/models", { token: "", headers });
    expect([alone.status, jsonOf(alone).error.code]).toEqual([401, "invalid_token"]);
    const beside = await lab.call("/v1/models", {
      token: "",
      headers: [...headers, ["x-api-key", lab.token]],
    });
    expect([beside.status, jsonOf(beside).error.code]).toEqual([400, "ambiguous_credentials"]);
    expect(lab.upstream.requests).toHaveLength(before);
  });

  test("its other fields stop here", async () => {
    expect((await lab.call("/v1/models", { headers: signed })).status).toBe(200);
    const request = lab.upstream.requests.at(-1)!;
    expect(request.headBytes.toString("latin1")).not.toMatch(/amz|signature/i);
    expect(credentialsIn(request.headers)).toEqual([["authorization", `Bearer ${lab.app.providerKey}`]]);
  });

  test.each(["aws-sigv4", "oauth", "{scheme: sigv4}"])("auth: %s stops the start", async (auth) => {
    const refused = openLab({ providers: `  odd: {${all}, auth: ${auth}}\n` });
    await expect(refused).rejects.toThrow(/auth/);
  });
});
