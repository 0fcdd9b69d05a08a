import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI, { toFile } from "openai";
import { createMock } from "../../src/mock/mock.ts";
import { Secret } from "../../src/secret.ts";
import { newCanary } from "../harness/canary.ts";
import { type ProxyProcess, startProxy } from "../harness/proxy-process.ts";

// The official SDKs, unchanged, through the compiled binary, in front of the stand-in provider.

const providerKey = newCanary("sdk");
let mock: Bun.Server<undefined>;
let proxy: ProxyProcess;
let openaiToken = "";
let anthropicToken = "";

beforeAll(async () => {
  const { fetch } = createMock({ apiKey: new Secret(providerKey), paceMs: 1 });
  mock = Bun.serve({ hostname: "127.0.0.1", port: 0, development: false, fetch });
  const base = `http://127.0.0.1:${mock.port}`;
  proxy = await startProxy({
    upstream: base,
    providers: `  claude:
    base_url: ${base}
    dialect: anthropic
    allowed_methods: [GET, POST]
    allowed_endpoints: [/v1/messages, /v1/models]
  narrow:
    base_url: ${base}
    allowed_methods: [GET, POST]
    allowed_endpoints: [/v1/chat/completions]
    param_whitelist: {model: [gpt-4.1-mini]}
`,
  });
  openaiToken = await tokenOf("lab");
  anthropicToken = await tokenOf("claude");
});
afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  await mock.stop(true);
});

async function tokenOf(provider: string, fields: Record<string, unknown> = {}): Promise<string> {
  const project = await proxy.newProject({ provider, api_key: providerKey });
  return (await proxy.newToken(project.id, fields)).token;
}

/** How often an SDK has called so far: it tries again by itself where it is not told otherwise. */
let tries = 0;
const countedFetch = (...[input, init]: Parameters<typeof fetch>) => {
  tries++;
  return fetch(input, init);
};
const openai = (apiKey = openaiToken) =>
  new OpenAI({ apiKey, baseURL: `${proxy.origin}/v1`, fetch: countedFetch });
const anthropic = (apiKey = anthropicToken) =>
  new Anthropic({ apiKey, baseURL: proxy.origin, fetch: countedFetch });
const messages = [{ role: "user" as const, content: "Hello" }];
const chat = { model: "gpt-4.1-mini", messages };
const message = { model: "claude-test", max_tokens: 50, messages };

/** The error that a call ends with. */
async function faultOf(call: PromiseLike<unknown>): Promise<unknown> {
  try {
    await call;
  } catch (fault) {
    return fault;
  }
  throw new Error("The call was expected to fail");
}

describe("openai", () => {
  test("chat, and its request id is the provider's", async () => {
    const answer = await openai().chat.completions.create(chat);
    expect(answer.choices[0]?.message.content).toBeString();
    expect(answer.usage?.total_tokens).toBeGreaterThan(0);
    expect(answer._request_id).toStartWith("req_mock");
  });

  test("chat as a stream", async () => {
    const stream = await openai().chat.completions.create({
      ...chat,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = "";
    let usage = 0;
    for await (const part of stream) {
      text += part.choices[0]?.delta.content ?? "";
      usage += part.usage?.total_tokens ?? 0;
    }
    expect(text.length).toBeGreaterThan(5);
    expect(usage).toBeGreaterThan(0);
  });

  test("responses, whole and as a stream", async () => {
    const whole = await openai().responses.create({ model: "gpt-4.1-mini", input: "Hello" });
    expect(whole.output_text.length).toBeGreaterThan(5);
    const types: string[] = [];
    for await (const event of await openai().responses.create({
      model: "gpt-4.1-mini",
      input: "Hello",
      stream: true,
    }))
      types.push(event.type);
    expect(types[0]).toBe("response.created");
    expect(types.at(-1)).toBe("response.completed");
  });

  test("embeddings, models, files", async () => {
    const { data } = await openai().embeddings.create({ model: "text-embedding-3-small", input: ["a", "b"] });
    expect(data).toHaveLength(2);
    expect(data[0]?.embedding.length).toBeGreaterThan(1);
    const models = await openai().models.list();
    expect(models.data.map(({ id }) => id)).toContain("gpt-4.1-mini");
    const content = Buffer.from(Array.from({ length: 4_096 }, (_, n) => n % 256));
    const file = await openai().files.create({ file: await toFile(content, "a.jsonl"), purpose: "batch" });
    expect([file.bytes, file.filename]).toEqual([content.length, "a.jsonl"]);
    expect((await openai().files.list()).data.map(({ id }) => id)).toContain(file.id);
  });

  test("the provider's own errors keep their class", async () => {
    const client = new OpenAI({ apiKey: openaiToken, baseURL: `${proxy.origin}/v1`, maxRetries: 0 });
    const fault = await faultOf(client.chat.completions.create({ ...chat, model: "mock-429" }));
    expect(fault).toBeInstanceOf(OpenAI.RateLimitError);
    expect((fault as InstanceType<typeof OpenAI.APIError>).requestID).toStartWith("req_mock");
  });

  type Refused = [
    string,
    () => Promise<string>,
    string,
    (apiKey: string) => PromiseLike<unknown>,
    new (...given: never[]) => Error,
  ];
  const refused: Refused[] = [
    [
      "no such token",
      async () => "sk-wrong",
      "invalid_token",
      (key) => openai(key).models.list(),
      OpenAI.AuthenticationError,
    ],
    [
      "a used-up token",
      async () => {
        const token = await tokenOf("lab", { max_requests: 1 });
        await openai(token).models.list();
        return token;
      },
      "rate_limit_exceeded",
      (key) => openai(key).models.list(),
      OpenAI.RateLimitError,
    ],
    [
      "an inactive project",
      async () => {
        const project = await proxy.newProject({ api_key: providerKey });
        const { token } = await proxy.newToken(project.id);
        await proxy.manage("PATCH", `/projects/${project.id}`, { is_active: false });
        return token;
      },
      "project_inactive",
      (key) => openai(key).models.list(),
      OpenAI.PermissionDeniedError,
    ],
    [
      "an endpoint that is not allowed",
      () => tokenOf("narrow"),
      "endpoint_not_found",
      (key) => openai(key).models.list(),
      OpenAI.NotFoundError,
    ],
    [
      "a model that is not allowed",
      () => tokenOf("narrow"),
      "param_not_allowed",
      (key) => openai(key).chat.completions.create({ ...chat, model: "o3" }),
      OpenAI.BadRequestError,
    ],
  ];
  test.each(refused)(
    "%s: its error class, code and request id, without another try",
    async (...[, prepare, code, call, kind]) => {
      const key = await prepare();
      const before = tries;
      const fault = (await faultOf(call(key))) as InstanceType<typeof OpenAI.APIError>;
      expect(fault).toBeInstanceOf(kind);
      expect(fault.code).toBe(code);
      expect(fault.requestID).toMatch(/^[0-9a-f-]{36}$/);
      expect(fault.headers?.get("x-llm-proxy-error")).toBe(code);
      expect(tries).toBe(before + 1);
    },
  );

  test("a stream that breaks off raises", async () => {
    const stream = await openai().chat.completions.create({ ...chat, model: "mock-cut", stream: true });
    const read = async () => {
      for await (const _ of stream);
    };
    const fault = await faultOf(read());
    expect(String(fault)).toMatch(/broke off|terminated|closed|socket|reset/i);
  });
});

describe("anthropic", () => {
  test("messages, and its request id is the provider's", async () => {
    const answer = await anthropic().messages.create(message);
    expect(answer.content[0]?.type).toBe("text");
    expect(answer._request_id).toStartWith("req_mock");
  });

  test("messages as a stream", async () => {
    const stream = anthropic().messages.stream(message);
    const names: string[] = [];
    stream.on("streamEvent", ({ type }) => names.push(type));
    const whole = await stream.finalMessage();
    expect(names[0]).toBe("message_start");
    expect(names.at(-1)).toBe("message_stop");
    expect(whole.usage.output_tokens).toBeGreaterThan(0);
  });

  test("count_tokens and models", async () => {
    const { input_tokens } = await anthropic().messages.countTokens({ model: message.model, messages });
    expect(input_tokens).toBeGreaterThan(0);
    expect((await anthropic().models.list()).data.map(({ id }) => id)).toContain("claude-sonnet-4-5");
  });

  type Refused = [
    string,
    () => Promise<string>,
    string,
    (apiKey: string) => PromiseLike<unknown>,
    new (...given: never[]) => Error,
  ];
  const refused: Refused[] = [
    [
      "no such token",
      async () => "sk-ant-wrong",
      "invalid_token",
      (key) => anthropic(key).messages.create(message),
      Anthropic.AuthenticationError,
    ],
    [
      "an endpoint that is not allowed",
      async () => anthropicToken,
      "endpoint_not_found",
      (key) => anthropic(key).get("/v1/other"),
      Anthropic.NotFoundError,
    ],
    [
      "a used-up token",
      async () => {
        const token = await tokenOf("claude", { max_requests: 1 });
        await anthropic(token).messages.create(message);
        return token;
      },
      "rate_limit_exceeded",
      (key) => anthropic(key).messages.create(message),
      Anthropic.RateLimitError,
    ],
    [
      "a revoked token",
      async () => {
        const project = await proxy.newProject({ provider: "claude", api_key: providerKey });
        const { token, id } = await proxy.newToken(project.id);
        await proxy.manage("DELETE", `/tokens/${id}`);
        return token;
      },
      "token_inactive",
      (key) => anthropic(key).messages.create(message),
      Anthropic.AuthenticationError,
    ],
    [
      "an inactive project",
      async () => {
        const project = await proxy.newProject({ provider: "claude", api_key: providerKey });
        const { token } = await proxy.newToken(project.id);
        await proxy.manage("PATCH", `/projects/${project.id}`, { is_active: false });
        return token;
      },
      "project_inactive",
      (key) => anthropic(key).messages.create(message),
      Anthropic.PermissionDeniedError,
    ],
  ];
  test.each(refused)(
    "%s: its error class, code and request id, without another try",
    async (...[, prepare, code, call, kind]) => {
      const key = await prepare();
      const before = tries;
      const fault = (await faultOf(call(key))) as InstanceType<typeof Anthropic.APIError>;
      expect(fault).toBeInstanceOf(kind);
      expect((fault.error as { error: { code: string } }).error.code).toBe(code);
      expect(fault.requestID).toMatch(/^[0-9a-f-]{36}$/);
      expect(tries).toBe(before + 1);
    },
  );

  test("a stream that breaks off raises", async () => {
    const stream = await anthropic().messages.create({ ...message, model: "mock-cut", stream: true });
    const read = async () => {
      for await (const _ of stream);
    };
    expect(String(await faultOf(read()))).toMatch(/broke off|terminated|closed|socket|reset/i);
  });
});
