import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Usage } from "../usage/usage.ts";
import { noUsage } from "../usage/usage.ts";
import { createAnswerReader, type Reading } from "./answer-reader.ts";
import { createSseReader } from "./sse.ts";

interface Expected extends Partial<Omit<Reading, "usage" | "text">> {
  readonly usage?: Partial<Usage> | null;
  readonly text?: string;
}

/** A reading as it is where nothing else is said. */
function readingOf({ usage = null, text = "", ...rest }: Expected) {
  return {
    usage: usage === null ? null : { ...noUsage, ...usage },
    rawUsage: expect.any(String),
    model: "",
    alsoBilled: [],
    isUsageEarly: expect.any(Boolean),
    isEnded: undefined,
    isLast: expect.any(Boolean),
    isPending: false,
    error: "",
    unreadable: expect.any(Number),
    ...rest,
    text: { characters: text.length, sample: text },
  };
}

function readEvents(...events: readonly unknown[]): Reading {
  const reader = createAnswerReader({ path: "/v1/x" });
  for (const event of events) reader.event(typeof event === "string" ? event : JSON.stringify(event));
  return reader.reading();
}

function readBody(body: unknown, path = "/v1/x"): Reading {
  const reader = createAnswerReader({ path });
  reader.body(typeof body === "string" ? body : JSON.stringify(body));
  return reader.reading();
}

const chunk = (delta: unknown, finish_reason: string | null = null) => ({
  object: "chat.completion.chunk",
  model: "m-1",
  choices: [{ index: 0, delta, finish_reason }],
});
const chatUsage = { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 };
const chatCounts = { inputTokens: 7, outputTokens: 3 };
const responsesUsage = {
  input_tokens: 100,
  input_tokens_details: { cached_tokens: 40 },
  output_tokens: 7,
  output_tokens_details: { reasoning_tokens: 5 },
  total_tokens: 107,
};
const responsesCounts = { inputTokens: 100, cachedInputTokens: 40, outputTokens: 7, reasoningTokens: 5 };
const responsesEnd = (status: string, more = {}) => ({
  type: `response.${status}`,
  response: { object: "response", status, model: "m-2", usage: responsesUsage, ...more },
});
const responsesStart = { type: "response.created", response: { model: "m-2", usage: null, error: null } };
const messageStart = {
  type: "message_start",
  message: { model: "c-1", usage: { input_tokens: 3, cache_read_input_tokens: 2000, output_tokens: 1 } },
};
const blockDelta = (delta: unknown) => ({ type: "content_block_delta", index: 0, delta });
const messageDelta = {
  type: "message_delta",
  delta: { stop_reason: "end_turn" },
  usage: { output_tokens: 550 },
};
const messageCounts = { inputTokens: 2003, cachedInputTokens: 2000, outputTokens: 550 };
const geminiChunk = (text: string, more = {}, finishReason?: string) => ({
  candidates: [{ content: { parts: [{ text }] }, finishReason }],
  modelVersion: "g-1",
  ...more,
});
const geminiUsage = (candidatesTokenCount: number) => ({
  usageMetadata: { promptTokenCount: 4, candidatesTokenCount },
});

test.each<[string, unknown[], Expected]>([
  [
    "chat",
    [
      chunk({ role: "assistant", content: "" }),
      chunk({ reasoning_content: "Hm. " }),
      chunk({ content: "Hi" }),
      chunk({ tool_calls: [{ index: 0, function: { name: "f", arguments: '{"a"' } }] }),
      chunk({}, "stop"),
      { choices: [], model: "m-1", usage: chatUsage, service_tier: "flex" },
      "[DONE]",
    ],
    { usage: { ...chatCounts, tier: "flex" }, model: "m-1", isEnded: true, text: 'Hm. Hi{"a"' },
  ],
  [
    "STR-102 an event that has usage alone",
    [{ usage: chatUsage }, "[DONE]"],
    { usage: chatCounts, isEnded: true },
  ],
  [
    "STR-106 chat that was cut",
    [chunk({ content: "a" }), chunk({ content: "b" })],
    { model: "m-1", isEnded: false, text: "ab" },
  ],
  [
    "STR-112 Azure's first chunk and what cannot be read",
    [
      { id: "", model: "", choices: [], prompt_filter_results: [{ prompt_index: 0 }] },
      "null",
      "5",
      "[]",
      "{bad json",
      "",
      chunk({ content: "a" }),
      { choices: [], usage: { prompt_tokens: 1, completion_tokens: 1 } },
      " [DONE]",
    ],
    { usage: { inputTokens: 1, outputTokens: 1 }, model: "m-1", isEnded: true, text: "a" },
  ],
  [
    "completions",
    [{ object: "text_completion", model: "m-1", choices: [{ text: "a", finish_reason: "length" }] }],
    { model: "m-1", isEnded: true, text: "a" },
  ],
  [
    "USE-104 no usage",
    [chunk({ content: "a" }, "stop"), "[DONE]"],
    { model: "m-1", isEnded: true, text: "a" },
  ],
  [
    "the last of cumulative usage",
    [
      { ...chunk({ content: "a" }), usage: { prompt_tokens: 7, completion_tokens: 1 } },
      { ...chunk({}, "stop"), usage: chatUsage },
      { choices: [], usage: { prompt_tokens: "x" } },
    ],
    { usage: chatCounts, model: "m-1", isEnded: true, text: "a" },
  ],
  [
    "USE-103 STR-104 Responses",
    [
      responsesStart,
      { type: "response.reasoning_summary_text.delta", delta: "Hm. " },
      { type: "response.output_text.delta", delta: "Hi" },
      { type: "response.output_text.done", text: "Hi" },
      { type: "response.function_call_arguments.delta", delta: "{}" },
      { type: "response.output_audio.delta", delta: "AAAA" },
      responsesEnd("completed", {
        service_tier: "priority",
        output: [{ type: "message", content: [{ text: "Hi" }] }],
      }),
    ],
    { usage: { ...responsesCounts, tier: "priority" }, model: "m-2", isEnded: true, text: "Hm. Hi{}" },
  ],
  [
    "USE-103 Responses that stopped early",
    [responsesStart, responsesEnd("incomplete")],
    { usage: responsesCounts, model: "m-2", isEnded: true },
  ],
  [
    "USE-103 Responses that failed",
    [responsesStart, responsesEnd("failed", { error: { code: "server_error", message: "Long story" } })],
    { usage: responsesCounts, model: "m-2", isEnded: true, error: "server_error" },
  ],
  [
    "USE-103 Responses that were cut",
    [responsesStart, { type: "response.output_text.delta", delta: "Hi" }],
    { model: "m-2", isEnded: false, text: "Hi" },
  ],
  [
    "an error of Responses",
    [responsesStart, { type: "error", code: "rate_limit_exceeded", message: "Slow down" }],
    { model: "m-2", isEnded: false, error: "rate_limit_exceeded" },
  ],
  [
    "realtime",
    [{ type: "response.done", response: { status: "completed", usage: responsesUsage } }],
    { usage: responsesCounts, isEnded: true },
  ],
  [
    "realtime that failed",
    [{ type: "response.done", response: { status: "failed", status_details: { error: { type: "x" } } } }],
    { isEnded: true, error: "x" },
  ],
  [
    "STR-104 Anthropic",
    [
      messageStart,
      { type: "ping" },
      { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
      blockDelta({ type: "thinking_delta", thinking: "Hm. " }),
      blockDelta({ type: "text_delta", text: "Hi" }),
      blockDelta({ type: "input_json_delta", partial_json: "{}" }),
      { ...messageDelta, usage: { ...messageDelta.usage, input_tokens: 0, cache_read_input_tokens: null } },
      { type: "message_stop" },
    ],
    { usage: messageCounts, model: "c-1", isEnded: true, text: "Hm. Hi{}" },
  ],
  [
    "Anthropic that was cut",
    [messageStart, messageDelta],
    { usage: messageCounts, model: "c-1", isEnded: false },
  ],
  [
    "an error of Anthropic",
    [messageStart, { type: "error", error: { type: "overloaded_error", message: "Overloaded" } }],
    {
      usage: { ...messageCounts, outputTokens: 1 },
      model: "c-1",
      isEnded: false,
      error: "overloaded_error",
    },
  ],
  [
    "STR-104 Gemini",
    [geminiChunk("a", geminiUsage(1)), geminiChunk("b", geminiUsage(2), "STOP")],
    { usage: { inputTokens: 4, outputTokens: 2 }, model: "g-1", isEnded: true, text: "ab" },
  ],
  [
    "Gemini that refused",
    [{ promptFeedback: { blockReason: "SAFETY" }, usageMetadata: { promptTokenCount: 4 } }],
    { usage: { inputTokens: 4 }, isEnded: true },
  ],
  ["Gemini that was cut", [geminiChunk("a")], { model: "g-1", isEnded: false, text: "a" }],
  [
    "a transcript",
    [
      { type: "transcript.text.delta", delta: "Hi" },
      { type: "transcript.text.done", text: "Hi", usage: { input_tokens: 14, output_tokens: 5 } },
    ],
    { usage: { inputTokens: 14, outputTokens: 5 }, isEnded: true, text: "Hi" },
  ],
  [
    "speech",
    [
      { type: "speech.audio.delta", audio: "AAAA" },
      { type: "speech.audio.done", usage: { input_tokens: 14, output_tokens: 101 } },
    ],
    { usage: { inputTokens: 14, outputTokens: 101 }, isEnded: true },
  ],
  ["speech that was cut", [{ type: "speech.audio.delta", audio: "AAAA" }], { isEnded: false }],
  ...["image_generation", "image_edit"].map((kind): [string, unknown[], Expected] => [
    `pictures (${kind})`,
    [
      { type: `${kind}.partial_image`, b64_json: "AAAA" },
      { type: `${kind}.completed`, b64_json: "AAAA", usage: { input_tokens: 50, output_tokens: 4160 } },
    ],
    { usage: { inputTokens: 50, outputTokens: 4160, images: 1 }, isEnded: true },
  ]),
  ["events of nobody that is known", [{ hello: 1 }, { type: "ping" }], {}],
])("%s: a stream is read", (_, events, expected) => {
  expect(readEvents(...events)).toEqual(readingOf(expected));
});

test.each<[string, string, unknown, Expected]>([
  [
    "chat",
    "/v1/chat/completions",
    {
      model: "m-1",
      choices: [
        {
          message: {
            content: "Hi",
            tool_calls: [{ function: { arguments: "{}" } }],
            function_call: { arguments: "[]" },
          },
          finish_reason: "stop",
        },
        { message: { content: [{ type: "text", text: "Ho" }], refusal: "No" } },
      ],
      usage: chatUsage,
    },
    { usage: chatCounts, model: "m-1", isEnded: true, text: "Hi[]{}HoNo" },
  ],
  [
    "Responses",
    "/v1/responses",
    {
      object: "response",
      model: "m-2",
      error: null,
      usage: responsesUsage,
      service_tier: "flex",
      output: [
        { type: "reasoning", summary: [{ text: "Hm. " }] },
        { type: "message", content: [{ type: "output_text", text: "Hi" }, { refusal: "No" }] },
        { type: "function_call", arguments: "{}" },
      ],
    },
    { usage: { ...responsesCounts, tier: "flex" }, model: "m-2", isEnded: true, text: "Hm. HiNo{}" },
  ],
  [
    "USE-110 Anthropic",
    "/v1/messages",
    {
      type: "message",
      model: "c-1",
      content: [
        { type: "thinking", thinking: "Hm. " },
        { type: "text", text: "Hi" },
        { type: "tool_use", input: { a: 1 } },
      ],
      usage: { input_tokens: 1, output_tokens: 2, service_tier: "batch" },
    },
    {
      usage: { inputTokens: 1, outputTokens: 2, tier: "batch" },
      model: "c-1",
      isEnded: true,
      text: 'Hm. Hi{"a":1}',
    },
  ],
  [
    "Gemini",
    "/v1beta/models/g:generateContent",
    geminiChunk("a", geminiUsage(2), "STOP"),
    { usage: { inputTokens: 4, outputTokens: 2 }, model: "g-1", isEnded: true, text: "a" },
  ],
  [
    "a stream of Gemini's as an array",
    "/v1beta/models/g:streamGenerateContent",
    [geminiChunk("a", geminiUsage(1)), 5, geminiChunk("b", geminiUsage(2), "STOP")],
    { usage: { inputTokens: 4, outputTokens: 2 }, model: "g-1", isEnded: true, text: "ab" },
  ],
  [
    "an array of Gemini's without an end",
    "/v1beta/models/g:streamGenerateContent",
    [geminiChunk("a")],
    { model: "g-1", isEnded: false, text: "a" },
  ],
  [
    "USE-105 audio by time",
    "/v1/audio/transcriptions",
    { text: "hi", usage: { type: "duration", seconds: 61 } },
    { usage: { audioMs: 61_000 }, text: "hi" },
  ],
  [
    "USE-105 a verbose transcript",
    "/v1/audio/transcriptions",
    { text: "hi", duration: 61.2 },
    { usage: { audioMs: 61_200 }, text: "hi" },
  ],
  ["USE-105 a transcript without a unit", "/v1/audio/transcriptions", { text: "hi" }, { text: "hi" }],
  ["USE-105 a plain text", "/v1/audio/transcriptions", "WEBVTT\n\n00:00 --> 00:01\nhi", {}],
  [
    "USE-106 embeddings",
    "/v1/embeddings",
    { object: "list", model: "e-1", data: [{}], usage: { prompt_tokens: 8, total_tokens: 8 } },
    { usage: { inputTokens: 8 }, model: "e-1" },
  ],
  ["USE-106 an embedding of Gemini", "/v1beta/models/e:embedContent", { embedding: { values: [0.1] } }, {}],
  [
    "USE-106 pictures",
    "/v1/images/generations?x=1",
    { data: [{ b64_json: "AA" }, {}], usage: { input_tokens: 50, output_tokens: 4160 } },
    { usage: { inputTokens: 50, outputTokens: 4160, images: 2 } },
  ],
  ["USE-106 pictures without usage", "/v1/images/edits", { data: [{ url: "x" }] }, { usage: { images: 1 } }],
  ["USE-106 no pictures", "/v1/images/edits", { data: [] }, {}],
  ["USE-106 counted tokens", "/v1/messages/count_tokens?beta=true", { input_tokens: 14 }, { usage: {} }],
  ["USE-106 counted tokens of Gemini", "/v1beta/models/g:countTokens", { totalTokens: 31 }, { usage: {} }],
  ["moderations", "/v1/moderations", { model: "o-1", results: [] }, { usage: {}, model: "o-1" }],
  ["HTP-107 an error in a 200", "/v1/x", { error: { message: "Provider", code: 504 } }, { error: "504" }],
  ["HTP-107 an error of a limit", "/v1/x", { error: { code: 429, type: "rate_limit" } }, { error: "429" }],
  ["HTP-107 an error while counting", "/v1/messages/count_tokens", { error: { type: "x" } }, { error: "x" }],
  ["HTP-107 a sentence for a code", "/v1/x", { error: { code: "Your key sk-1 is bad" } }, { error: "error" }],
  ["JSN-105 an error as a word", "/v1/x", { error: "text" }, { error: "text" }],
  ["JSN-105 an error as a sentence", "/v1/x", { error: "It went wrong" }, { error: "error" }],
  ["JSN-105 no error", "/v1/x", { error: {} }, {}],
  ["JSN-105 no usage", "/v1/x", { usage: null }, {}],
  ["JSN-105 usage as a list", "/v1/x", { usage: [] }, {}],
  [
    "JSN-105 odd counts",
    "/v1/x",
    { usage: { prompt_tokens: "12", completion_tokens: -3, total_tokens: 1e99 } },
    {},
  ],
  ["JSN-105 a fraction", "/v1/x", { usage: { prompt_tokens: 1.5 } }, {}],
  ["JSN-105 no model", "/v1/x", { model: null }, {}],
  ["JSN-105 a model that is none", "/v1/x", { model: { a: 1 } }, {}],
  ["JSN-105 an array", "/v1/x", [], {}],
  ["JSN-105 an empty body", "/v1/x", "", {}],
  ["JSN-105 HTML", "/v1/x", "<html>", {}],
  ["a byte order mark", "/v1/x", `\ufeff${JSON.stringify({ usage: chatUsage })}`, { usage: chatCounts }],
])("%s: a body is read", (_, path, body, expected) => {
  expect(readBody(body, path)).toEqual(readingOf(expected));
});

test("USE-110 the usage is kept as it was, that of several events put together", () => {
  const usage = { prompt_tokens: 1, extra: { a: [1] } };
  expect(JSON.parse(readBody({ usage }).rawUsage)).toEqual(usage);
  expect(JSON.parse(readEvents(messageStart, messageDelta).rawUsage)).toEqual({
    input_tokens: 3,
    cache_read_input_tokens: 2000,
    output_tokens: 550,
  });
  expect(readEvents(chunk({})).rawUsage).toBe("");
});

test("what is kept has bounds: usage, model and text", () => {
  const reading = readEvents(
    { ...chunk({ content: "€".repeat(16_000) }), model: "m".repeat(300) },
    { ...chunk({ content: "x".repeat(10_000) }), usage: { prompt_tokens: 1, x: "ä".repeat(5000) } },
  );
  expect(Buffer.byteLength(reading.rawUsage)).toBeWithin(4090, 4097);
  expect(reading.model).toBe("m-1");
  expect(reading.text).toEqual({ characters: 26_000, sample: "€".repeat(Math.floor((16 * 1024) / 3)) });
  expect(readBody({ model: "m".repeat(300) }).model).toHaveLength(256);
});

test("STR-102 a stream is read the same at every border of its chunks", () => {
  const events = [messageStart, blockDelta({ text: "äö€😀" }), messageDelta, { type: "message_stop" }];
  const text = events
    .map((event) => `event: ${event.type}\r\ndata:${JSON.stringify(event)}\r\n\r\n`)
    .join("");
  const bytes = new TextEncoder().encode(text);
  for (let border = 0; border <= bytes.length; border++) {
    const answer = createAnswerReader({ path: "/v1/messages" });
    const reader = createSseReader({ onEvent: answer.event, eventBytesMax: 1e6 });
    reader.push(bytes.subarray(0, border));
    reader.push(bytes.subarray(border));
    reader.end();
    expect(answer.reading()).toEqual(
      readingOf({ usage: messageCounts, model: "c-1", isEnded: true, text: "äö€😀" }),
    );
  }
});

test("JSN-105 nothing throws, whatever the JSON, and every reading keeps its promises", () => {
  const known = [
    ...["type", "object", "choices", "delta", "message", "content", "usage", "response", "error", "code"],
    ...["candidates", "parts", "usageMetadata", "promptFeedback", "model", "data", "text", "output"],
    ...["tool_calls", "function", "summary", "input", "prompt_tokens", "input_tokens", "cost", "__proto__"],
  ];
  const leaf = fc.oneof(
    fc.jsonValue({ maxDepth: 1 }),
    fc.double(),
    fc.constantFrom("message", "message_start", "message_delta", "response.done", "response.x.delta"),
    fc.constantFrom("response", "error", "content_block_delta", "image_edit.completed", "failed"),
  );
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: "small", maxDepth: 5 },
      leaf,
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...known), tie("value"), { maxKeys: 8 }),
    ),
  }));
  const path = fc.constantFrom("/v1/images/edits", "/v1/moderations", "/count_tokens", "/v1/x");
  fc.assert(
    fc.property(path, fc.array(value, { maxLength: 5 }), (at, values) => {
      const reader = createAnswerReader({ path: at });
      for (const each of values) {
        const text = JSON.stringify(each);
        reader.event(text);
        reader.body(text);
      }
      reader.event(at);
      const { usage, error, model, text } = reader.reading();
      expect(error.length <= 100 && model.length <= 256 && Number.isSafeInteger(text.characters)).toBe(true);
      for (const count of Object.values(usage ?? {}))
        expect(typeof count !== "number" || (Number.isSafeInteger(count) && count >= 0)).toBe(true);
    }),
  );
});

test("JSN-105 JSON that is nested without end is read too", () => {
  const deep = `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`;
  expect(readBody(`{"model":"m","usage":{"prompt_tokens":1,"x":${deep}}}`).error).toBe("");
});

test.each<[string, unknown[], Partial<Reading>]>([
  ["chat, before [DONE]", [chunk({ content: "a" }, "stop")], { isEnded: true, isLast: false }],
  ["chat, at [DONE]", [chunk({ content: "a" }, "stop"), "[DONE]"], { isEnded: true, isLast: true }],
  ["Responses", [responsesStart, responsesEnd("completed")], { isLast: true, isPending: false }],
  ["Responses in the background", [{ object: "response", status: "queued" }], { isPending: true }],
  ["Gemini", [geminiChunk("a", {}, "STOP")], { isLast: true }],
  ["Anthropic at its beginning", [messageStart], { isUsageEarly: true, isLast: false }],
  ["Anthropic near its end", [messageStart, messageDelta], { isUsageEarly: false, isLast: false }],
  ["Anthropic", [messageStart, messageDelta, { type: "message_stop" }], { isLast: true }],
  ["no JSON", ["{bad json", "null", "5", "[]"], { unreadable: 1 }],
])("%s: what is still to come is known", (_, events, expected) => {
  expect(readEvents(...events)).toMatchObject(expected);
});

test.each<[string, unknown[], number]>([
  [
    "Responses",
    [
      { type: "response.output_item.done", item: { type: "web_search_call", action: { type: "search" } } },
      { type: "response.output_item.done", item: { type: "web_search_call", action: { type: "open_page" } } },
      { type: "response.output_item.done", item: { type: "message" } },
      { type: "response.output_item.added", item: { type: "web_search_call" } },
      responsesEnd("completed", { output: [{ type: "web_search_call" }] }),
    ],
    1,
  ],
  [
    "Responses as a whole",
    [{ object: "response", usage: responsesUsage, output: [{ type: "web_search_call" }] }],
    1,
  ],
  [
    "Gemini",
    [{ candidates: [{ groundingMetadata: { webSearchQueries: ["a", "b"] } }], ...geminiUsage(1) }],
    2,
  ],
  [
    "Anthropic",
    [{ type: "message_delta", usage: { output_tokens: 1, server_tool_use: { web_search_requests: 3 } } }],
    3,
  ],
  ["Perplexity", [{ choices: [], usage: { prompt_tokens: 1, num_search_queries: 2 } }], 2],
])("USE-110 searches of %s are counted", (_, events, webSearches) => {
  expect(readEvents(...events).usage).toMatchObject({ webSearches });
});

test("USE-110 what is billed and has no count is named", () => {
  const read = (usage: unknown) => readBody({ choices: [], usage }).alsoBilled;
  expect(read({ prompt_tokens: 1, prompt_tokens_details: { image_tokens: 4 } })).toEqual([
    "input.image_tokens",
  ]);
  expect(read({ prompt_tokens: 1, citation_tokens: 9, num_sources_used: 0 })).toEqual(["citation_tokens"]);
  const anthropic = {
    input_tokens: 1,
    inference_geo: "us",
    server_tool_use: { code_execution_requests: 2, web_fetch_requests: 1 },
  };
  expect(readBody({ type: "message", content: [], usage: anthropic }).alsoBilled).toEqual([
    "server_tool_use.code_execution_requests",
    "inference_geo",
  ]);
  expect(readBody({ results: [], meta: { billed_units: { search_units: 1 } } }).alsoBilled).toEqual([
    "search_units",
  ]);
});
