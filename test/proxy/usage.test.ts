import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import type { Headers } from "../harness/http-message.ts";
import { connectRaw } from "../harness/raw-client.ts";
import type { Step } from "../harness/upstream-connection.ts";
import {
  chunk,
  event,
  head,
  hold,
  pause,
  readBody,
  reset,
  sseHead,
  write,
} from "../harness/upstream-steps.ts";
import { type Lab, openLab, requestBytes } from "./lab.ts";

let lab: Lab;
beforeAll(async () => {
  lab = await openLab({ env: { LOG_LEVEL: "debug" } });
});
afterAll(() => lab[Symbol.asyncDispose]());

interface Asked {
  readonly target?: string;
  readonly body?: string | Buffer;
  readonly method?: string;
  readonly headers?: Headers;
}

const chatBody = '{"model":"gpt-asked","messages":[{"role":"user","content":"Say hello to the world"}]}';

/** The record of one request to a provider that answers like this. */
async function recordOf(answer: readonly Step[], asked: Asked = {}) {
  const { target = "/v1/chat/completions", body = chatBody, method = "POST", headers = [] } = asked;
  lab.upstream.answerNext(answer);
  const type: Headers = headers.some(([name]) => name === "content-type")
    ? []
    : [["content-type", "application/json"]];
  const response = await lab.call(target, { method, body, headers: [...headers, ...type] });
  return { response, record: await theRecordOf(response) };
}

// biome-ignore lint/suspicious/noExplicitAny: a record as the API gives it
async function theRecordOf({ headers }: { headers: Headers }): Promise<any> {
  const id = headers.find(([name]) => name.toLowerCase() === "x-llm-proxy-request-id")?.[1] ?? "";
  return await recordWithId(id);
}

async function recordWithId(id: string) {
  for (;;) {
    const { status, json } = await lab.app.manage("GET", `/requests/${id}`);
    if (status === 200) return json;
  }
}

/** An answer with these bytes. */
function reply(type: string, body: string | Uint8Array, more: Headers = []): readonly Step[] {
  const bytes = Buffer.from(body as Uint8Array);
  return [
    readBody(),
    write(head(200, [["Content-Type", type], ["Content-Length", String(bytes.length)], ...more]), bytes),
  ];
}
const json = (value: unknown, more: Headers = []) => reply("application/json", JSON.stringify(value), more);
const events = (...pieces: string[]): readonly Step[] => [
  readBody(),
  write(sseHead(), ...pieces.map(chunk), chunk("")),
];

const content = (text: string) => ({
  choices: [{ index: 0, delta: { content: text }, finish_reason: null }],
});
const stop = { choices: [{ index: 0, delta: {}, finish_reason: "stop" }] };
const done = "data: [DONE]\n\n";
const openaiUsage = { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 };
const chat = {
  object: "chat.completion",
  model: "gpt-answered",
  choices: [{ message: { content: "hi" }, finish_reason: "stop" }],
};
const whole = { outcome: "complete", error_code: null };
const unknown = { input_tokens: null, output_tokens: null, estimated: false };
const nothing = { input_tokens: 0, output_tokens: 0, estimated: false };

const responses = (status: string, usage: unknown) =>
  event(
    { type: `response.${status}`, response: { model: "m-2026-01-01", status, usage } },
    `response.${status}`,
  );
const responsesUsage = {
  input_tokens: 100,
  input_tokens_details: { cached_tokens: 40 },
  output_tokens: 7,
  output_tokens_details: { reasoning_tokens: 5 },
  total_tokens: 107,
};
const responsesRow = {
  answered_model: "m-2026-01-01",
  input_tokens: 100,
  cached_input_tokens: 40,
  output_tokens: 7,
  reasoning_tokens: 5,
  estimated: false,
};
const anthropicUsage = {
  input_tokens: 3,
  cache_creation_input_tokens: 12304,
  cache_read_input_tokens: 2000,
  cache_creation: { ephemeral_5m_input_tokens: 12000, ephemeral_1h_input_tokens: 304 },
  output_tokens: 550,
};
const anthropicRow = {
  input_tokens: 14307,
  cached_input_tokens: 2000,
  cache_write_tokens: 12000,
  cache_write_hour_tokens: 304,
  output_tokens: 550,
};
const messageStart = event(
  { type: "message_start", message: { model: "claude-x", usage: { ...anthropicUsage, output_tokens: 1 } } },
  "message_start",
);
const messageEnd = [
  event(
    { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 550 } },
    "message_delta",
  ),
  event({ type: "message_stop" }, "message_stop"),
];

const table: [name: string, answer: readonly Step[], asked: Asked, row: object][] = [
  [
    "STR-102 LF, no blank",
    events(`data:${JSON.stringify({ ...stop, usage: openaiUsage })}\n\ndata:[DONE]\n\n`),
    {},
    { ...whole, input_tokens: 7, output_tokens: 3, estimated: false },
  ],
  [
    "STR-102 CRLF, a border between CR and LF",
    events(`data: ${JSON.stringify({ ...stop, usage: openaiUsage })}\r`, "\n\r\ndata: [DONE]\r\n\r\n"),
    {},
    { ...whole, input_tokens: 7, output_tokens: 3 },
  ],
  [
    "STR-102 bare CR",
    events(`data: ${JSON.stringify({ ...stop, usage: openaiUsage })}\r\rdata: [DONE]\r\r`),
    {},
    { ...whole, input_tokens: 7, output_tokens: 3 },
  ],
  [
    "STR-104 Responses without [DONE]",
    events(responses("completed", responsesUsage)),
    { target: "/v1/responses" },
    { ...whole, ...responsesRow },
  ],
  [
    "STR-104 Messages without [DONE]",
    events(messageStart, ...messageEnd),
    { target: "/v1/messages" },
    { ...whole, ...anthropicRow, answered_model: "claude-x" },
  ],
  [
    "STR-104 Gemini without [DONE]",
    events(
      event({
        candidates: [{ finishReason: "STOP" }],
        usageMetadata: { promptTokenCount: 4, candidatesTokenCount: 2, thoughtsTokenCount: 5 },
      }),
    ),
    { target: "/v1beta/models/gemini-x:streamGenerateContent?alt=sse", body: '{"contents":[]}' },
    { ...whole, model: "gemini-x", input_tokens: 4, output_tokens: 7, reasoning_tokens: 5 },
  ],
  [
    "STR-106 a chat that ends without an end",
    events(...["a", "b", "c", "d"].map((word) => event(content(word)))),
    {},
    { outcome: "upstream_cut", error_code: "stream_incomplete", estimated: true, status: 200 },
  ],
  [
    "STR-106 Responses that end without an end",
    events(responses("created", null)),
    { target: "/v1/responses" },
    { outcome: "upstream_cut", error_code: "stream_incomplete" },
  ],
  [
    "STR-106 Messages that end without an end",
    events(messageStart),
    { target: "/v1/messages" },
    { outcome: "upstream_cut", error_code: "stream_incomplete", input_tokens: 14307 },
  ],
  ["STR-106 a stream of nothing", events(), {}, { outcome: "upstream_cut", error_code: "stream_incomplete" }],
  [
    "STR-109 a stream that nobody asked for",
    events(event({ ...stop, usage: openaiUsage }), done),
    { body: '{"model":"m","messages":[],"stream":false}' },
    { ...whole, model: "m", input_tokens: 7 },
  ],
  [
    "STR-109 JSON where a stream was asked for",
    json({ ...chat, usage: openaiUsage }),
    { body: '{"model":"m","messages":[],"stream":true}' },
    { ...whole, input_tokens: 7, answered_model: "gpt-answered" },
  ],
  [
    "STR-110 a byte order mark",
    events("\ufeff", event({ ...stop, usage: openaiUsage }), done),
    {},
    { ...whole, input_tokens: 7 },
  ],
  [
    "STR-110 data on two lines",
    events('data: {"usage":\ndata: {"prompt_tokens":7,"completion_tokens":3}}\n\n', event(stop)),
    {},
    { ...whole, input_tokens: 7 },
  ],
  [
    "STR-110 data without a colon, other fields, two blanks",
    events("data\n\ndataX: {}\n\n", `data:  ${JSON.stringify({ ...stop, usage: openaiUsage })}\n\n`),
    {},
    { ...whole, input_tokens: 7 },
  ],
  [
    "STR-110 an event without its empty line",
    events(`data: ${JSON.stringify({ ...stop, usage: openaiUsage })}`),
    {},
    { ...whole, input_tokens: 7 },
  ],
  [
    "STR-110 3,000 comments",
    events(event(stop), ": keep alive\n".repeat(3000), event({ choices: [], usage: openaiUsage })),
    {},
    { ...whole, input_tokens: 7 },
  ],
  [
    "STR-112 Azure's first chunk, and what is no chunk",
    events(
      event({ id: "", choices: [], prompt_filter_results: [{ prompt_index: 0 }] }),
      "data: null\n\ndata: 5\n\ndata: []\n\ndata: {bad json\n\n",
      event(stop),
      event({ choices: [], usage: { prompt_tokens: 1, completion_tokens: 1 } }),
      done,
    ),
    {},
    { ...whole, input_tokens: 1, output_tokens: 1 },
  ],
  [
    "STR-114 Gemini's JSON array",
    [
      readBody(),
      write(
        head(200, [
          ["Content-Type", "application/json"],
          ["Transfer-Encoding", "chunked"],
        ]),
        chunk('[{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}'),
      ),
      pause(50),
      write(
        chunk(
          ',{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2}}]',
        ),
        chunk(""),
      ),
    ],
    { target: "/v1beta/models/g:streamGenerateContent" },
    { ...whole, input_tokens: 3, output_tokens: 2 },
  ],
  [
    "STR-114 NDJSON",
    reply(
      "application/x-ndjson",
      `${JSON.stringify(content("a"))}\n${JSON.stringify({ ...stop, usage: openaiUsage })}\n`,
    ),
    {},
    { ...whole, input_tokens: 7, output_tokens: 3 },
  ],
  [
    "HTP-107 an error in a 200",
    json({ error: { message: "Provider returned error", code: 504 } }),
    {},
    { outcome: "upstream_error", error_code: "provider_error", status: 200, ...nothing },
  ],
  [
    "HTP-107 another",
    json({ error: { message: "Slow down", code: 429 } }),
    {},
    { outcome: "upstream_error", ...nothing },
  ],
  [
    "HTP-107 an error in a stream",
    events(event({ error: { message: "x", code: "overloaded" } }), done),
    {},
    { outcome: "upstream_error", error_code: "provider_error", ...nothing },
  ],
  [
    "HTP-107 an error event of Anthropic",
    events(messageStart, event({ type: "error", error: { type: "overloaded_error" } }, "error")),
    { target: "/v1/messages" },
    { outcome: "upstream_error", input_tokens: 14307, estimated: false },
  ],
  [
    "USE-101 what goes to Anthropic's cache and comes from it",
    json({ type: "message", model: "claude-x", content: [], usage: anthropicUsage }),
    { target: "/v1/messages" },
    { ...whole, ...anthropicRow, usage_raw: JSON.stringify(anthropicUsage) },
  ],
  [
    "USE-102 cached and reasoning tokens of OpenAI",
    json({
      ...chat,
      usage: {
        prompt_tokens: 2006,
        completion_tokens: 300,
        total_tokens: 2306,
        prompt_tokens_details: { cached_tokens: 1920 },
        completion_tokens_details: { reasoning_tokens: 200 },
      },
    }),
    {},
    {
      input_tokens: 2006,
      cached_input_tokens: 1920,
      output_tokens: 300,
      reasoning_tokens: 200,
      model: "gpt-asked",
      answered_model: "gpt-answered",
    },
  ],
  [
    "USE-103 Responses that are incomplete",
    events(responses("created", null), responses("incomplete", responsesUsage)),
    { target: "/v1/responses" },
    { ...whole, ...responsesRow },
  ],
  [
    "USE-103 Responses that failed",
    events(responses("created", null), responses("failed", responsesUsage)),
    { target: "/v1/responses" },
    { outcome: "upstream_error", error_code: "provider_error", ...responsesRow },
  ],
  [
    "USE-105 a length",
    json({ text: "hi", usage: { type: "duration", seconds: 61 } }),
    { target: "/v1/audio/transcriptions" },
    { audio_seconds: 61, input_tokens: 0 },
  ],
  [
    "USE-105 a length beside the text",
    json({ text: "hi", duration: 61.2 }),
    { target: "/v1/audio/transcriptions" },
    { audio_seconds: 61.2 },
  ],
  [
    "USE-105 tokens of sound",
    json({
      usage: {
        type: "tokens",
        input_tokens: 14,
        input_token_details: { audio_tokens: 10, text_tokens: 4 },
        output_tokens: 5,
      },
    }),
    { target: "/v1/audio/transcriptions" },
    { input_tokens: 14, audio_input_tokens: 10, output_tokens: 5 },
  ],
  ["USE-105 plain text", reply("text/plain", "hi"), { target: "/v1/audio/transcriptions" }, unknown],
  ["USE-105 subtitles", reply("text/vtt", "WEBVTT"), { target: "/v1/audio/transcriptions" }, unknown],
  [
    "USE-105 speech",
    reply("audio/mpeg", "\xff\xfb"),
    { target: "/v1/audio/speech", body: '{"model":"tts-1","input":"héllo 🌍"}' },
    { model: "tts-1", characters: 7, estimated: false },
  ],
  [
    "USE-106 embeddings",
    json({ data: [{ embedding: [0.1] }], model: "e", usage: { prompt_tokens: 8, total_tokens: 8 } }),
    { target: "/v1/embeddings" },
    { ...whole, input_tokens: 8, output_tokens: 0, answered_model: "e" },
  ],
  [
    "USE-106 embedContent",
    json({ embedding: { values: [0.1] } }),
    { target: "/v1beta/models/e:embedContent", body: '{"content":{"parts":[{"text":"hello world"}]}}' },
    { model: "e", estimated: true, input_tokens: 2, output_tokens: 0 },
  ],
  ["USE-106 countTokens", json({ totalTokens: 14 }), { target: "/v1beta/models/g:countTokens" }, nothing],
  ["USE-106 count_tokens", json({ input_tokens: 14 }), { target: "/v1/messages/count_tokens" }, nothing],
  [
    "USE-106 pictures",
    json({
      data: [{ b64_json: "A" }],
      usage: {
        input_tokens: 50,
        output_tokens: 4160,
        input_tokens_details: { image_tokens: 40, text_tokens: 10 },
      },
    }),
    { target: "/v1/images/generations" },
    { images: 1, input_tokens: 50, output_tokens: 4160, also_billed: ["input.image_tokens"] },
  ],
  [
    "USE-106 pictures without usage",
    json({ data: [{ url: "x" }, { url: "y" }] }),
    { target: "/v1/images/generations" },
    { images: 2, input_tokens: 0 },
  ],
  [
    "USE-106 an answer about pictures that tells nothing",
    json({ created: 1 }),
    { target: "/v1/images/generations" },
    unknown,
  ],
  [
    "USE-110 searches and the tier of Anthropic",
    json({
      type: "message",
      content: [],
      usage: {
        input_tokens: 1,
        output_tokens: 1,
        server_tool_use: { web_search_requests: 3, code_execution_requests: 1 },
        service_tier: "batch",
      },
    }),
    { target: "/v1/messages" },
    { web_searches: 3, service_tier: "batch", also_billed: ["server_tool_use.code_execution_requests"] },
  ],
  [
    "USE-110 the tier of OpenAI",
    json({ ...chat, service_tier: "flex", usage: openaiUsage }),
    {},
    { service_tier: "flex", also_billed: [] },
  ],
  [
    "USE-110 sound and tools of Gemini",
    json({
      candidates: [{ finishReason: "STOP" }],
      usageMetadata: {
        promptTokenCount: 100,
        promptTokensDetails: [
          { modality: "AUDIO", tokenCount: 90 },
          { modality: "TEXT", tokenCount: 10 },
        ],
        toolUsePromptTokenCount: 25,
        candidatesTokenCount: 1,
      },
    }),
    { target: "/v1beta/models/g:generateContent" },
    { input_tokens: 125, audio_input_tokens: 90, output_tokens: 1 },
  ],
  [
    "a list of models: nothing is used",
    json({ data: [] }),
    { target: "/v1/models", method: "GET", body: "" },
    { ...whole, ...nothing, model: null },
  ],
  [
    "a response that is looked at again: it has been paid for",
    json({ object: "response", usage: responsesUsage }),
    { target: "/v1/responses/r", method: "GET", body: "" },
    nothing,
  ],
  [
    "a response that is still at work",
    json({ object: "response", status: "queued", usage: null }),
    { target: "/v1/responses" },
    unknown,
  ],
  [
    "an answer of a kind that is not known",
    json({ result: 1 }),
    { target: "/v1/new" },
    { ...whole, ...unknown, model: "gpt-asked" },
  ],
  [
    "usage at a path that is not known",
    json({ result: 1, usage: openaiUsage }),
    { target: "/v1/new" },
    { input_tokens: 7, output_tokens: 3 },
  ],
];

describe("what a request used is in its record", () => {
  test.each(table)("%s", async (_, answer, asked, row) => {
    const { response, record } = await recordOf(answer, asked);
    expect([response.status, response.complete]).toEqual([200, true]);
    expect(record).toMatchObject(row);
  });

  test("the provider's own error uses nothing", async () => {
    lab.upstream.answerNext([readBody(), write(head(429, [["Content-Length", "2"]]), "{}")]);
    const response = await lab.call("/v1/chat/completions", { body: chatBody });
    expect(await theRecordOf(response)).toMatchObject({ outcome: "complete", status: 429, ...nothing });
  });
});

describe("JSN-105 what no usage should be is none, and the answer passes", () => {
  const odd: [body: string, row: object][] = [
    ['{"usage":null}', { estimated: true }],
    ['{"usage":[]}', { estimated: true }],
    ['{"usage":{"prompt_tokens":"12","completion_tokens":-3,"total_tokens":1e99}}', { estimated: true }],
    ['{"usage":{"prompt_tokens":1.5}}', { estimated: true }],
    [
      '{"model":null,"usage":{"prompt_tokens":1,"completion_tokens":1}}',
      { answered_model: null, input_tokens: 1 },
    ],
    ['{"model":{"a":1},"usage":{"prompt_tokens":1}}', { answered_model: null, input_tokens: 1 }],
    ['{"error":"text"}', { outcome: "upstream_error", ...nothing }],
    ["[1,2]", { estimated: true }],
    ["", { estimated: true }],
    ["<html></html>", { estimated: true }],
  ];
  test.each(odd)("%s", async (body, row) => {
    const { response, record } = await recordOf(reply("application/json", body));
    expect([response.status, response.body.text()]).toEqual([200, body]);
    expect(record).toMatchObject({ status: 200, ...row });
    for (const count of [record.input_tokens, record.output_tokens]) expect(count).toBeWithin(0, 100);
  });
});

describe("compressed answers", () => {
  const plain = JSON.stringify({ ...chat, usage: openaiUsage });
  const read = { ...whole, input_tokens: 7, output_tokens: 3, estimated: false };
  const codings: [coding: string, body: Buffer | Uint8Array, row: object][] = [
    ["gzip", gzipSync(plain), read],
    ["br", brotliCompressSync(plain), read],
    ["zstd", zstdCompressSync(plain), read],
    ["deflate", deflateSync(plain), read],
    ["deflate", deflateRawSync(plain), read],
    ["gzip", Buffer.concat([gzipSync(plain.slice(0, 20)), gzipSync(plain.slice(20))]), read],
    ["identity", Buffer.from(plain), read],
    ["gzip", Buffer.from(plain), {}],
    ["br", Buffer.from("\x80\x91random bytes", "latin1"), {}],
    ["foo", Buffer.from(plain), {}],
    ["gzip, br", brotliCompressSync(gzipSync(plain)), {}],
    ["gzip", gzipSync(plain).subarray(0, -8), {}],
  ];
  test.each(codings)("ENC-101, ENC-105 %s", async (coding, body, row) => {
    const { response, record } = await recordOf(
      reply("application/json", body, [["Content-Encoding", coding]]),
    );
    expect([response.status, response.complete]).toEqual([200, true]);
    expect(response.body.bytes()).toEqual(Buffer.from(body));
    expect(record).toMatchObject({ ...whole, ...row });
  });

  test("a stream that is compressed as it is made", async () => {
    const stream = gzipSync(event({ ...stop, usage: openaiUsage }) + done);
    const answer = [
      readBody(),
      write(
        head(200, [
          ["Content-Type", "text/event-stream"],
          ["Content-Encoding", "gzip"],
          ["Transfer-Encoding", "chunked"],
        ]),
        chunk(stream.subarray(0, 15)),
      ),
      pause(30),
      write(chunk(stream.subarray(15)), chunk("")),
    ];
    expect((await recordOf(answer)).record).toMatchObject(read);
  });
});

describe("where nothing is reported it is counted, and said so", () => {
  test("USE-104 a stream that was not asked for its usage", async () => {
    for (const options of ["", ',"stream_options":{"include_usage":false}', ',"stream_options":{"x":1}']) {
      const body = `{"model":"m","stream":true${options},"messages":[{"role":"user","content":"Say hello to the world"}]}`;
      const answer = events(
        ...["Hello", " world", "!"].map((word) => event(content(word))),
        event(stop),
        done,
      );
      const { record } = await recordOf(answer, { body });
      expect(lab.upstream.requests.at(-1)?.body.text()).toBe(body);
      expect(record).toMatchObject({ ...whole, input_tokens: 12, output_tokens: 3, estimated: true });
    }
  });

  test("a stream that is cut counts what came", async () => {
    const answer = [readBody(), write(sseHead(), chunk(event(content("Hello world")))), pause(30), reset()];
    const { record } = await recordOf(answer);
    expect(record).toMatchObject({
      outcome: "upstream_cut",
      output_tokens: 2,
      input_tokens: 12,
      estimated: true,
    });
  });

  test("Anthropic's stream that is cut has its input reported and its output counted", async () => {
    const text = event({ type: "content_block_delta", delta: { text: "Hello world, how are you?" } });
    const answer = [readBody(), write(sseHead(), chunk(messageStart), chunk(text)), pause(30), reset()];
    const { record } = await recordOf(answer, { target: "/v1/messages" });
    expect(record).toMatchObject({
      outcome: "upstream_cut",
      input_tokens: 14307,
      output_tokens: 7,
      estimated: true,
    });
  });

  test("a client that hangs up in the middle has paid for what came", async () => {
    const row = await hangUpAt("Hello", [
      readBody(),
      write(sseHead(), chunk(event(content("Hello world")))),
      hold(),
    ]);
    expect(row).toMatchObject({ outcome: "client_cancelled", output_tokens: 2, estimated: true });
  });
});

/** The record of a client that hangs up as soon as it has read this. */
async function hangUpAt(text: string, answer: readonly Step[], target = "/v1/chat/completions") {
  lab.upstream.answerNext(answer);
  using client = await connectRaw(lab.app.port);
  const id = crypto.randomUUID();
  const headers: Headers = [
    ["content-type", "application/json"],
    ["x-request-id", id],
  ];
  await client.send(requestBytes(target, { method: "POST", token: lab.token, body: chatBody, headers }));
  await client.until(text);
  client[Symbol.dispose]();
  return await recordWithId(id);
}

test("a response that is streamed again by GET is judged by its end, and uses nothing", async () => {
  const asked = { target: "/v1/responses/r?stream=true", method: "GET", body: "" };
  const again = await recordOf(events(responses("completed", responsesUsage)), asked);
  expect(again.record).toMatchObject({ ...whole, ...nothing, usage_raw: null });
  const half = await recordOf(events(responses("created", null)), asked);
  expect(half.record).toMatchObject({ outcome: "upstream_cut", error_code: "stream_incomplete", ...nothing });
});

describe("TMO-108 a client that leaves after the last event has had all", () => {
  const ends: [name: string, target: string, pieces: string[], mark: string][] = [
    ["chat", "/v1/chat/completions", [event({ ...stop, usage: openaiUsage }), done], "[DONE]\n\n"],
    ["Responses", "/v1/responses", [responses("completed", { input_tokens: 7, output_tokens: 3 })], "}}\n\n"],
    [
      "Messages",
      "/v1/messages",
      [
        event({ type: "message_start", message: { usage: { input_tokens: 7, output_tokens: 1 } } }),
        event({ type: "message_delta", usage: { output_tokens: 3 } }),
        event({ type: "message_stop" }),
      ],
      'message_stop"}\n\n',
    ],
    [
      "Gemini",
      "/v1beta/models/g:streamGenerateContent?alt=sse",
      [
        event({
          candidates: [{ finishReason: "STOP" }],
          usageMetadata: { promptTokenCount: 7, candidatesTokenCount: 3 },
        }),
      ],
      "}}\n\n",
    ],
  ];
  test.each(ends)("%s", async (...[, target, pieces, mark]) => {
    const answer = [readBody(), write(sseHead(), ...pieces.map(chunk)), pause(300), write(chunk(""))];
    const row = await hangUpAt(mark, answer, target);
    expect(row).toMatchObject({ ...whole, input_tokens: 7, output_tokens: 3, estimated: false });
  });
});

test("the model of an upload that is streamed is read as it passes", async () => {
  const body = `{"input":"${"A".repeat(3 << 20)}","model":"big"}`;
  const { record } = await recordOf(json({ ...chat, usage: openaiUsage }), { body });
  expect(record).toMatchObject({ model: "big", input_tokens: 7, request_bytes: body.length });
  const form = `--b0\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n${"A".repeat(2 << 20)}\r\n--b0\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n--b0--\r\n`;
  const asked = {
    target: "/v1/audio/transcriptions",
    body: form,
    headers: [["content-type", "multipart/form-data; boundary=b0"]] as Headers,
  };
  expect((await recordOf(json({ text: "a", duration: 3 }), asked)).record).toMatchObject({
    model: "whisper-1",
    audio_seconds: 3,
  });
});

test("the log line at the end says what was used", async () => {
  await using own = await openLab();
  own.upstream.answer(
    json({ ...chat, usage: { ...openaiUsage, prompt_tokens_details: { cached_tokens: 2 } } }),
  );
  await own.call("/v1/chat/completions", { body: chatBody, headers: [["content-type", "application/json"]] });
  own.upstream.answer(json({ error: { code: "overloaded" } }));
  await own.call("/v1/chat/completions", { body: chatBody });
  await own.app.stop();
  const lines = own.app
    .log()
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
    .filter((line) => line.outcome);
  expect(lines[0]).toMatchObject({
    model: "gpt-asked",
    answered_model: "gpt-answered",
    input_tokens: 7,
    cached_input_tokens: 2,
    output_tokens: 3,
  });
  expect(lines[1]).toMatchObject({
    outcome: "upstream_error",
    error_code: "provider_error",
    provider_error_code: "overloaded",
  });
});

test("STR-112, ENC-105 what cannot be read is told in one debug line", async () => {
  await using own = await openLab({ env: { LOG_LEVEL: "debug" } });
  own.upstream.answer(events("data: {bad\n\n".repeat(20), event(stop), done));
  await own.call("/v1/chat/completions", { body: chatBody });
  own.upstream.answer(reply("application/json", "{}", [["Content-Encoding", "foo"]]));
  await own.call("/v1/chat/completions", { body: chatBody });
  await own.app.stop();
  const told = own.app
    .log()
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
    .filter((line) => JSON.stringify(line).includes("could not be read"));
  expect(told.map(({ reason }) => reason)).toEqual([
    "20 parts are no JSON",
    "its Content-Encoding is not known",
  ]);
});
