import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type AnswerFraming, readAnswerBytes } from "./answer-bytes.ts";
import { createAnswerReader } from "./answer-reader.ts";

const encode = (text: string) => new TextEncoder().encode(text);

/** What a reader makes of these pieces. */
function read(framing: AnswerFraming, pieces: Iterable<Uint8Array>, path = "/v1/x") {
  const reader = createAnswerReader({ path });
  const bytes = readAnswerBytes(framing, reader);
  for (const piece of pieces) bytes.push(piece);
  bytes.end();
  return reader.reading();
}

const gemini = (text: string, more: object = {}) => ({
  candidates: [{ content: { parts: [{ text }] } }],
  ...more,
});
const lastGemini = {
  candidates: [{ content: { parts: [{ text: "é🌍" }] }, finishReason: "STOP" }],
  usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 2 },
};
const geminiReading = {
  usage: { inputTokens: 3, outputTokens: 2 },
  isEnded: true,
  text: { sample: 'a"{[\\é🌍' },
};

const answers: [name: string, framing: AnswerFraming, text: string, reading: object][] = [
  [
    "STR-114 a JSON array",
    "json",
    ` [${JSON.stringify(gemini('a"{[\\'))}\n,\r\n${JSON.stringify(lastGemini, null, 2)}\n]\n`,
    geminiReading,
  ],
  [
    "STR-114 lines of JSON",
    "lines",
    `${JSON.stringify(gemini('a"{[\\'))}\r\n\n${JSON.stringify(lastGemini)}`,
    geminiReading,
  ],
  [
    "a JSON body",
    "json",
    '\n{"object":"chat.completion","model":"m","choices":[{"message":{"content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":3}}',
    {
      model: "m",
      usage: { inputTokens: 7, outputTokens: 3 },
      isEnded: true,
      isLast: true,
      text: { sample: "hi" },
    },
  ],
  ["a body that is no JSON", "json", "<html></html>", { usage: null, isEnded: undefined, unreadable: 1 }],
  ["a body that is cut", "json", '{"usage":{"prompt_tok', { usage: null, unreadable: 1 }],
  [
    "an array that is cut",
    "json",
    `[${JSON.stringify(gemini("a"))},{"candid`,
    { isEnded: false, text: { sample: "a" } },
  ],
  ["nothing", "json", "", { usage: null, isEnded: undefined, unreadable: 0 }],
  ["an array of other things", "json", '["{",[{"usage":1}],5,{}]', { usage: null, unreadable: 0 }],
];

describe("answers are read", () => {
  test.each(answers)("%s", (_, framing, text, reading) => {
    expect(read(framing, [encode(text)])).toMatchObject(reading);
  });

  test.each(answers)("%s, at every border", (_, framing, text, reading) => {
    const bytes = encode(text);
    for (let border = 0; border <= bytes.length; border++)
      expect(read(framing, [bytes.subarray(0, border), bytes.subarray(border)])).toMatchObject(reading);
    expect(
      read(
        framing,
        [...bytes].map((byte) => Uint8Array.of(byte)),
      ),
    ).toMatchObject(reading);
  });

  test("and nothing is thrown at bytes of any kind", () => {
    const framing = fc.constantFrom<AnswerFraming[]>("events", "lines", "json");
    const piece = fc.oneof(fc.uint8Array(), fc.string().map(encode), fc.json().map(encode));
    fc.assert(
      fc.property(
        framing as fc.Arbitrary<AnswerFraming>,
        fc.array(piece),
        (kind, pieces) => void read(kind, pieces),
      ),
    );
  });
});

/** 24 MiB in writes of 8 KiB between two texts. */
function* around(before: string, after: string) {
  yield encode(before);
  const piece = encode("A".repeat(8192));
  for (let count = 0; count < 3072; count++) yield piece;
  yield encode(after);
}

const usage = '"usage":{"prompt_tokens":7,"completion_tokens":3}';
const long: [name: string, framing: AnswerFraming, before: string, after: string, reading: object][] = [
  [
    "STR-111 an event before that with the usage",
    "events",
    'data: {"type":"response.image_generation_call.partial_image","b64":"',
    `"}\n\ndata: {"choices":[],${usage}}\n\ndata: [DONE]\n\n`,
    { usage: { inputTokens: 7, outputTokens: 3 }, isLast: true },
  ],
  [
    "STR-111 an event that has the usage behind its picture",
    "events",
    'event: response.completed\ndata: {"type":"response.completed","response":{"output":[{"result":"',
    '"}],"model":"m","usage":{"input_tokens":7,"output_tokens":3}}}\n\n',
    { model: "m", usage: { inputTokens: 7, outputTokens: 3 }, isEnded: true, isLast: true },
  ],
  ["STR-111 no line end at all", "events", 'data: {"b64":"', "", { usage: null }],
  ["a comment", "events", ": ", `\ndata: {"choices":[],${usage}}\n\n`, { usage: { inputTokens: 7 } }],
  [
    "pictures",
    "json",
    '{"data":[{"b64_json":"',
    '"},{"b64_json":"x"}],"usage":{"input_tokens":50,"output_tokens":4160}}',
    { usage: { images: 2, inputTokens: 50, outputTokens: 4160 } },
  ],
  [
    "a chunk of Gemini",
    "json",
    '[{"candidates":[{"content":{"parts":[{"inlineData":{"data":"',
    '"}}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":1290}}]',
    { usage: { inputTokens: 3, outputTokens: 1290 }, isEnded: true },
  ],
  ["a line", "lines", '{"x":"', `","choices":[],${usage}}\n`, { usage: { inputTokens: 7 } }],
];

test.each(long)(
  "%s of 24 MiB passes in a moment, and what it tells is known",
  (...[, framing, before, after, reading]) => {
    const startedMs = performance.now();
    expect(read(framing, around(before, after), "/v1/images/generations")).toMatchObject(reading);
    expect(performance.now() - startedMs).toBeLessThan(1000);
  },
);
