import { describe, expect, test } from "bun:test";
import { createFactsReader, type RequestFacts, readRequestFacts } from "./request-facts.ts";
import { type RouteKind, routeOf } from "./route.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const json = { query: "", contentType: "application/json" };

const paths: [path: string, kind: RouteKind, model: string][] = [
  ["/v1/chat/completions", "chat", ""],
  ["/v1/chat/completions/", "chat", ""],
  ["/chat/completions", "chat", ""],
  ["/v1/completions", "completions", ""],
  ["/openai/v1/responses", "responses", ""],
  ["/v1/responses/resp_1", "other", ""],
  ["/v1/responses/input_tokens", "count_tokens", ""],
  ["/v1/messages", "messages", ""],
  ["/v1/messages/count_tokens", "count_tokens", ""],
  ["/v1/messages/batches", "other", ""],
  ["/v1/embeddings", "embeddings", ""],
  ["/v1/audio/transcriptions", "transcription", ""],
  ["/v1/audio/translations", "transcription", ""],
  ["/v1/audio/speech", "speech", ""],
  ["/v1/images/edits", "images", ""],
  ["/v1/moderations", "moderations", ""],
  ["/v1/rerank", "rerank", ""],
  ["/v1/realtime", "realtime", ""],
  ["/v1/models", "other", ""],
  ["/v1beta/models/gemini-2.5-pro:generateContent", "gemini", "gemini-2.5-pro"],
  ["/v1beta/models/gemini-2.5-pro%3AstreamGenerateContent", "gemini", "gemini-2.5-pro"],
  ["/v1beta/models/text-embedding-004:embedContent", "gemini", "text-embedding-004"],
  ["/v1beta/models/g:countTokens", "count_tokens", "g"],
  ["/v1beta/tunedModels/mine:generateContent", "gemini", "tunedModels/mine"],
  [
    "/v1/projects/p/locations/l/publishers/anthropic/models/claude-x:streamRawPredict",
    "messages",
    "claude-x",
  ],
  ["/v1beta/models/g:somethingElse", "other", ""],
  ["/openai/deployments/my-gpt/chat/completions", "chat", "my-gpt"],
  ["/v1/%zz/chat/completions", "chat", ""],
];
test.each(paths)("%s is %s of model %p", (path, kind, model) => {
  expect(routeOf(path)).toEqual({ kind, model });
});

const nothing = {
  model: "",
  models: [],
  maxOutputTokens: undefined,
  choices: 1,
  stream: false,
  includeUsage: undefined,
  characters: 0,
};

/** A form with these parts, each its head's parameters and its content. */
function form(...parts: [parameters: string, content: string][]): string {
  const each = parts.map(
    ([parameters, content]) => `--b0\r\nContent-Disposition: form-data; ${parameters}\r\n\r\n${content}\r\n`,
  );
  return `${each.join("")}--b0--\r\n`;
}

const chat = { ...json, path: "/v1/chat/completions" };
const transcription = {
  path: "/v1/audio/transcriptions",
  query: "",
  contentType: "multipart/form-data; boundary=b0",
};

const bodies: [name: string, head: typeof chat, body: string, facts: Partial<RequestFacts>][] = [
  [
    "a chat",
    chat,
    '{"model":"gpt-5","messages":[{"role":"user","content":"hi"}],"max_completion_tokens":50,"n":3,"stream":true,"stream_options":{"include_usage":true}}',
    { model: "gpt-5", models: ["gpt-5"], maxOutputTokens: 50, choices: 3, stream: true, includeUsage: true },
  ],
  ["no body", chat, "", {}],
  ["no JSON", chat, "model=gpt-5", {}],
  ["a list", chat, '[{"model":"no"}]', {}],
  ["the last of two models", chat, '{"model":"a","model":"b"}', { model: "b", models: ["a", "b"] }],
  ["a model in another case", chat, '{"model":"a","MODEL":"b"}', { model: "a", models: ["a", "b"] }],
  ["a model in another case alone", chat, '{"Model":"b"}', { model: "b", models: ["b"] }],
  ["escapes", chat, '{"\\u006dodel":"gpt\\u002d5"}', { model: "gpt-5", models: ["gpt-5"] }],
  ["a model that is no text", chat, '{"model":{"a":1},"max_tokens":"9","n":-1,"stream":1}', {}],
  ["odd numbers", chat, '{"max_tokens":1e99,"n":1.5}', {}],
  ["the largest of the bounds", chat, '{"max_tokens":1,"max_completion_tokens":7}', { maxOutputTokens: 7 }],
  ["usage that is not wanted", chat, '{"stream_options":{"include_usage":false}}', { includeUsage: false }],
  ["best_of", { ...json, path: "/v1/completions" }, '{"n":2,"best_of":5}', { choices: 5 }],
  [
    "Gemini",
    { ...json, path: "/v1beta/models/gemini-2.5-pro:streamGenerateContent" },
    '{"model":"models/other","generationConfig":{"maxOutputTokens":8,"candidateCount":2}}',
    { model: "gemini-2.5-pro", models: ["gemini-2.5-pro"], maxOutputTokens: 8, choices: 2, stream: true },
  ],
  [
    "Gemini in snake case",
    { ...json, path: "/v1beta/models/g:generateContent" },
    '{"generation_config":{"max_output_tokens":8}}',
    { model: "g", models: ["g"], maxOutputTokens: 8 },
  ],
  [
    "Azure",
    { ...json, path: "/openai/deployments/my-gpt/chat/completions" },
    '{"model":"gpt-5"}',
    { model: "my-gpt", models: ["my-gpt"] },
  ],
  [
    "speech",
    { ...json, path: "/v1/audio/speech" },
    '{"model":"tts-1","input":"héllo 🌍"}',
    { model: "tts-1", models: ["tts-1"], characters: 7 },
  ],
  [
    "a form with a file",
    transcription,
    form(
      ['name="file"; filename="a.mp3"', "\x00\x01--b\r\n--b1"],
      ['name="model"', "whisper-1"],
      ["name=stream", "true"],
    ),
    { model: "whisper-1", models: ["whisper-1"], stream: true },
  ],
  [
    "a form with two models, one of them as a file",
    transcription,
    form(['name="model"', "a"], ['name="model"; filename="x"', "b"]),
    { model: "b", models: ["a", "b"] },
  ],
  ["a form that is JSON in truth", transcription, '{"model":"sly"}', { model: "sly", models: ["sly"] }],
  ["a form without a boundary", { ...transcription, contentType: "multipart/form-data" }, "--b0", {}],
  [
    "a plain form",
    { ...chat, contentType: "application/x-www-form-urlencoded" },
    "model=a%2Db&n=2",
    { model: "a-b", models: ["a-b"], choices: 2 },
  ],
  [
    "a realtime session",
    { ...json, path: "/v1/realtime", query: "?model=gpt-realtime" },
    "",
    { model: "gpt-realtime", models: ["gpt-realtime"] },
  ],
];

describe("what a request says", () => {
  test.each(bodies)("%s", (_, head, body, facts) => {
    const inputBytes = encode(body).length;
    const { kind } = routeOf(head.path);
    expect(readRequestFacts(head, encode(body))).toEqual({ ...nothing, kind, inputBytes, ...facts });
  });

  test.each(bodies)("%s, in pieces of any length", (_, head, body) => {
    const bytes = encode(body);
    const whole = readRequestFacts(head, bytes);
    for (const length of [1, 2, 3, 7, 64]) {
      const reader = createFactsReader(head);
      for (let at = 0; at < bytes.length; at += length) reader.push(bytes.subarray(at, at + length));
      expect(reader.facts()).toEqual(whole);
    }
  });
});

test("a field behind a file of 32 MiB is found without keeping the file", () => {
  const reader = createFactsReader(transcription);
  reader.push(encode('--b0\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'));
  const piece = new Uint8Array(65_536);
  for (let count = 0; count < 512; count++) reader.push(piece);
  reader.push(encode(`\r\n${form(['name="model"', "whisper-1"])}`));
  expect(reader.facts()).toMatchObject({ model: "whisper-1", inputBytes: expect.any(Number) });
});
