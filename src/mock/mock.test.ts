import { afterAll, describe, expect, test } from "bun:test";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { Secret } from "../secret.ts";
import { createMock } from "./mock.ts";

const KEY = "sk-mock-key";
const clock = { now: () => 1_700_000_000_500, monotonic: () => 0 };
const mock = createMock({ apiKey: new Secret(KEY), paceMs: 1, clock });
const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  idleTimeout: 0,
  development: false,
  fetch: mock.fetch,
});
const base = `http://127.0.0.1:${server.port}`;
const openai = new OpenAI({ apiKey: KEY, baseURL: `${base}/v1`, maxRetries: 0 });
const anthropic = new Anthropic({ apiKey: KEY, baseURL: base, maxRetries: 0 });
afterAll(() => server.stop(true));

const hello = [{ role: "user" as const, content: "hello" }];

function send(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(base + path, {
    method: "POST",
    headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
}

describe("the official openai client", () => {
  test("chats, with usage by characters and a request id", async () => {
    const reply = await openai.chat.completions.create({ model: "m", messages: hello });
    const text = reply.choices[0]?.message.content ?? "";
    expect(text).toContain('You said: "hello"');
    expect(reply.usage).toMatchObject({ prompt_tokens: 2, completion_tokens: Math.ceil(text.length / 4) });
    expect(reply.usage?.total_tokens).toBe(2 + Math.ceil(text.length / 4));
    expect(reply.created).toBe(1_700_000_000);
    expect(reply._request_id).toStartWith("req_mock_");
  });

  test("streams the same text, word by word, with usage where it was asked for", async () => {
    const whole = await openai.chat.completions.create({ model: "m", messages: hello });
    const stream = await openai.chat.completions.create({
      model: "m",
      messages: hello,
      stream: true,
      stream_options: { include_usage: true },
    });
    const deltas: string[] = [];
    let last: OpenAI.ChatCompletionChunk | undefined;
    for await (const chunk of stream) {
      deltas.push(chunk.choices[0]?.delta.content ?? "");
      last = chunk;
    }
    expect(deltas.length).toBeGreaterThan(10);
    expect(deltas.join("")).toBe(whole.choices[0]?.message.content ?? "-");
    expect(last?.usage?.total_tokens).toBe(whole.usage?.total_tokens ?? -1);
  });

  test("gets no usage in a stream that did not ask", async () => {
    const stream = await openai.chat.completions.create({ model: "m", messages: hello, stream: true });
    for await (const chunk of stream) expect(chunk).not.toHaveProperty("usage");
  });

  test("is cut at max_tokens with finish_reason length", async () => {
    const reply = await openai.chat.completions.create({ model: "m", messages: hello, max_tokens: 3 });
    expect(reply.choices[0]?.message.content).toHaveLength(12);
    expect(reply.choices[0]?.finish_reason).toBe("length");
    expect(reply.usage?.completion_tokens).toBe(3);
  });

  test("completes a prompt, whole and streamed", async () => {
    const reply = await openai.completions.create({ model: "m", prompt: "once" });
    const stream = await openai.completions.create({ model: "m", prompt: "once", stream: true });
    let text = "";
    for await (const chunk of stream) text += chunk.choices[0]?.text ?? "";
    expect(text).toBe(reply.choices[0]?.text ?? "-");
    expect(text).toContain("once");
  });

  test("asks for responses, whole and streamed", async () => {
    const reply = await openai.responses.create({ model: "m", input: "hello", instructions: "be kind" });
    expect(reply.output_text).toContain("hello");
    expect(reply.usage?.input_tokens).toBe(Math.ceil("be kindhello".length / 4));
    const stream = await openai.responses.create({ model: "m", input: hello, stream: true });
    const events: OpenAI.Responses.ResponseStreamEvent[] = [];
    for await (const event of stream) events.push(event);
    const text = events.map((e) => (e.type === "response.output_text.delta" ? e.delta : "")).join("");
    expect(text).toBe(reply.output_text);
    expect(events.map((e) => e.sequence_number)).toEqual(events.map((_, index) => index));
    expect(events.at(-1)?.type).toBe("response.completed");
    const cut = await openai.responses.create({ model: "m", input: "hello", max_output_tokens: 2 });
    expect(cut.incomplete_details?.reason).toBe("max_output_tokens");
  });

  test("embeds texts as unit vectors, the same for base64 and numbers", async () => {
    const request = { model: "text-embedding-3-small", input: ["a", "b"], dimensions: 8 };
    const packed = await openai.embeddings.create(request);
    const plain = await openai.embeddings.create({ ...request, encoding_format: "float" });
    expect(packed.data.map((d) => d.embedding)).toEqual(plain.data.map((d) => d.embedding));
    expect(plain.data[0]?.embedding).not.toEqual(plain.data[1]?.embedding ?? []);
    expect(Math.hypot(...(plain.data[0]?.embedding ?? []))).toBeCloseTo(1, 5);
    expect(plain.usage).toEqual({ prompt_tokens: 1, total_tokens: 1 });
  });

  test("uploads and lists files, and lists models", async () => {
    const file = new File(["one\ntwo\n"], "batch.jsonl");
    const uploaded = await openai.files.create({ file, purpose: "batch" });
    expect(uploaded).toMatchObject({ bytes: 8, filename: "batch.jsonl", purpose: "batch" });
    expect((await openai.files.list()).data.map((f) => f.id)).toContain(uploaded.id);
    expect((await openai.models.list()).data.map((m) => m.id)).toContain("gpt-4.1-mini");
  });

  test("throws its own error class for a wrong key", async () => {
    const stranger = new OpenAI({ apiKey: "sk-wrong", baseURL: `${base}/v1`, maxRetries: 0 });
    const error = await stranger.models.list().catch((e) => e);
    expect(error).toBeInstanceOf(OpenAI.AuthenticationError);
    expect(error.code).toBe("invalid_api_key");
    expect(error.message).not.toContain(KEY);
  });

  test("throws its own error class for the model mock-429", async () => {
    const error = await openai.chat.completions
      .create({ model: "mock-429", messages: hello })
      .catch((e) => e);
    expect(error).toBeInstanceOf(OpenAI.RateLimitError);
    expect(error.code).toBe("rate_limit_exceeded");
  });

  test("sees a broken stream for the model mock-cut, and never a clean end", async () => {
    const stream = await openai.chat.completions.create({ model: "mock-cut", messages: hello, stream: true });
    let seen = 0;
    const reading = (async () => {
      for await (const _ of stream) seen += 1;
    })();
    expect(await reading.catch((e) => e)).toBeInstanceOf(Error);
    expect(seen).toBe(3);
  });
});

describe("the official @anthropic-ai/sdk client", () => {
  test("sends messages, whole and streamed, and counts tokens", async () => {
    const request = { model: "m", max_tokens: 500, system: "be kind", messages: hello };
    const reply = await anthropic.messages.create(request);
    const text = reply.content[0]?.type === "text" ? reply.content[0].text : "";
    expect(text).toContain("hello");
    expect(reply.stop_reason).toBe("end_turn");
    expect(reply._request_id).toStartWith("req_mock_");
    const streamed = await anthropic.messages.stream(request).finalMessage();
    expect(streamed.content[0]).toMatchObject({ type: "text", text });
    expect(streamed.usage).toMatchObject({
      input_tokens: reply.usage.input_tokens,
      output_tokens: reply.usage.output_tokens,
    });
    const { max_tokens: _, ...question } = request;
    expect((await anthropic.messages.countTokens(question)).input_tokens).toBe(reply.usage.input_tokens);
  });

  test("is cut at max_tokens", async () => {
    const reply = await anthropic.messages.create({ model: "m", max_tokens: 2, messages: hello });
    expect(reply).toMatchObject({ stop_reason: "max_tokens", usage: { output_tokens: 2 } });
  });

  test("lists models in its own shape", async () => {
    expect((await anthropic.models.list()).data.map((m) => m.id)).toContain("claude-sonnet-4-5");
  });

  test("throws its own error classes", async () => {
    const stranger = new Anthropic({ apiKey: "wrong", baseURL: base, maxRetries: 0 });
    const ask = (client: Anthropic, model: string) =>
      client.messages.create({ model, max_tokens: 5, messages: hello }).catch((e) => e);
    expect(await ask(stranger, "m")).toBeInstanceOf(Anthropic.AuthenticationError);
    const overloaded = await ask(anthropic, "mock-529");
    expect(overloaded.error).toMatchObject({ type: "error", error: { type: "overloaded_error" } });
    expect(overloaded.requestID).toStartWith("req_mock_");
  });
});

describe("wrong input is refused in the dialect of the route", () => {
  const table: readonly (readonly [string, unknown, number, string | null])[] = [
    ["/v1/chat/completions", "{not json", 400, null],
    ["/v1/chat/completions", "[]", 400, null],
    ["/v1/chat/completions", { messages: hello }, 400, "model"],
    ["/v1/chat/completions", { model: "m" }, 400, "messages"],
    ["/v1/chat/completions", { model: "m", messages: hello, max_tokens: 0 }, 400, "max_tokens"],
    ["/v1/completions", { model: "m" }, 400, "prompt"],
    ["/v1/completions", {}, 400, "model"],
    ["/v1/responses", { model: "m" }, 400, "input"],
    ["/v1/responses", { model: "m", input: "a", max_output_tokens: 1.5 }, 400, "max_output_tokens"],
    ["/v1/embeddings", { model: "m" }, 400, "input"],
    ["/v1/embeddings", { model: "m", input: "a", dimensions: -1 }, 400, "dimensions"],
    ["/v1/files", "no form", 400, "file"],
    ["/v1/nothing", {}, 404, null],
  ];
  test.each(table)("OpenAI's for POST %s %p", async (path, body, status, param) => {
    const answer = await send(path, body);
    expect(answer.status).toBe(status);
    const { error } = (await answer.json()) as { error: Record<string, unknown> };
    expect(error).toMatchObject({ type: "invalid_request_error", param });
    expect(error["message"]).toBeString();
  });

  const messages: readonly (readonly [string, unknown, number, string])[] = [
    ["/v1/messages", { messages: hello, max_tokens: 5 }, 400, "invalid_request_error"],
    ["/v1/messages", { model: "m", max_tokens: 5 }, 400, "invalid_request_error"],
    ["/v1/messages", { model: "m", messages: [], max_tokens: 5 }, 400, "invalid_request_error"],
    ["/v1/messages", { model: "m", messages: hello }, 400, "invalid_request_error"],
    ["/v1/messages/count_tokens", {}, 400, "invalid_request_error"],
    ["/v1/messages/nothing", {}, 404, "not_found_error"],
  ];
  test.each(messages)("Anthropic's for POST %s %p", async (path, body, status, type) => {
    const answer = await send(path, body);
    expect(answer.status).toBe(status);
    expect(await answer.json()).toMatchObject({ type: "error", error: { type } });
  });

  test("a wrong method is a 405", async () => {
    const answer = await fetch(`${base}/v1/chat/completions`, { headers: { "x-api-key": KEY } });
    expect(answer.status).toBe(405);
  });

  test("an upload without a purpose is refused", async () => {
    const body = new FormData();
    body.set("file", new File(["x"], "x.txt"));
    const answer = await fetch(`${base}/v1/files`, { method: "POST", headers: { "x-api-key": KEY }, body });
    expect(await answer.json()).toMatchObject({ error: { param: "purpose" } });
  });
});

describe("faults on demand", () => {
  const chat = { model: "m", messages: hello };

  test("a status with Retry-After, by header and by query", async () => {
    const byHeader = await send("/v1/chat/completions", chat, { "x-mock-fault": "status=503;retry-after=7" });
    const byQuery = await send("/v1/messages?mock-fault=status%3D429", { ...chat, max_tokens: 5 });
    expect([byHeader.status, byHeader.headers.get("retry-after")]).toEqual([503, "7"]);
    expect(await byQuery.json()).toMatchObject({ error: { type: "rate_limit_error" } });
  });

  test("an unreadable fault is a 400 that says what is known", async () => {
    const answer = await send("/v1/chat/completions", chat, { "x-mock-fault": "explode=1" });
    expect(answer.status).toBe(400);
    expect(await answer.text()).toContain("known are status");
  });

  test("a delay comes before the headers", async () => {
    const start = performance.now();
    await send("/v1/chat/completions", chat, { "x-mock-fault": "delay=60ms" });
    expect(performance.now() - start).toBeGreaterThanOrEqual(55);
  });

  test("a JSON answer is cut in its middle", async () => {
    const answer = await send("/v1/chat/completions", chat, { "x-mock-fault": "cut-after=1" });
    expect(answer.status).toBe(200);
    expect(await answer.text().catch((e) => e)).toBeInstanceOf(Error);
  });

  test("a stalled stream gives its first events, then nothing until the client leaves", async () => {
    const client = new AbortController();
    const answer = await fetch(`${base}/v1/chat/completions`, {
      method: "POST",
      headers: { "x-api-key": KEY, "x-mock-fault": "stall-after=2;pace=0ms" },
      body: JSON.stringify({ ...chat, stream: true }),
      signal: client.signal,
    });
    let text = "";
    const reading = (async () => {
      const decoder = new TextDecoder();
      for await (const bytes of answer.body ?? []) {
        text += decoder.decode(bytes, { stream: true });
        if (text.split("\n\n").length === 3) setTimeout(() => client.abort(), 50);
      }
    })();
    expect((await reading.catch((e) => e)).name).toBe("AbortError");
    expect(text.split("data:")).toHaveLength(3);
  });

  test("a client that leaves during a delay does not wait for it", async () => {
    const client = new AbortController();
    const request = new Request(`${base}/v1/models`, {
      headers: { "x-api-key": KEY, "x-mock-fault": "delay=600s" },
      signal: client.signal,
    });
    const answered = mock.fetch(request);
    client.abort();
    expect((await answered).status).toBe(200);
  });

  test("the pace holds between the events of a stream", async () => {
    const answer = await send(
      "/v1/chat/completions",
      { ...chat, stream: true, max_tokens: 4 },
      {
        "x-mock-fault": "pace=20ms",
      },
    );
    const start = performance.now();
    const events = (await answer.text()).split("data:").length - 1;
    expect(performance.now() - start).toBeGreaterThan((events - 2) * 20);
  });
});

test("without a key nobody is asked for one", async () => {
  const open = createMock({ paceMs: 0 });
  const answer = await open.fetch(new Request("http://mock.example/v1/models"));
  expect(answer.status).toBe(200);
});
