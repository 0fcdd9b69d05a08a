import { expect, test } from "bun:test";
import { noUsage } from "../usage/usage.ts";
import { createRealtimeReader } from "./realtime-reader.ts";

const done = (usage: unknown, more: object = {}) => ({
  type: "response.done",
  response: { object: "realtime.response", status: "completed", usage, ...more },
});
const usage = {
  total_tokens: 253,
  input_tokens: 132,
  output_tokens: 121,
  input_token_details: {
    text_tokens: 119,
    audio_tokens: 13,
    cached_tokens: 64,
    cached_tokens_details: { text_tokens: 64, audio_tokens: 0 },
  },
  output_token_details: { text_tokens: 30, audio_tokens: 91 },
};

function read(...messages: unknown[]) {
  const reader = createRealtimeReader("/v1/realtime");
  for (const message of messages)
    reader.message(typeof message === "string" ? message : JSON.stringify(message));
  return reader.reading();
}

test("what the responses of a session used is added up (platform.openai.com, Realtime API, 2026-10)", () => {
  const session = { type: "session.created", session: { model: "gpt-realtime-2025-08-28" } };
  const reading = read(
    session,
    { type: "response.output_audio.delta", delta: "AAAA" },
    done(usage),
    done(usage),
  );
  expect(reading).toMatchObject({ model: "gpt-realtime-2025-08-28", alsoBilled: [] });
  expect(reading.usage).toEqual({
    ...noUsage,
    inputTokens: 264,
    cachedInputTokens: 128,
    audioInputTokens: 26,
    outputTokens: 242,
    audioOutputTokens: 182,
  });
  expect(JSON.parse(reading.rawUsage)).toEqual(usage);
});

test("a session in which nothing was reported says nothing", () => {
  expect(read()).toMatchObject({ usage: null, model: "" });
  expect(
    read("{bad", '"response.done"', done(null), done({ input_tokens: "x" }), { type: "error" }),
  ).toMatchObject({ usage: null });
});

test("transcription of what the user says is marked: another model does it", () => {
  const transcribed = {
    type: "conversation.item.input_audio_transcription.completed",
    usage: { type: "duration", seconds: 3 },
  };
  expect(read(transcribed, done(usage)).alsoBilled).toEqual(["input_audio_transcription"]);
});

test("a message of a megabyte that tells nothing costs next to nothing", () => {
  const reader = createRealtimeReader("/v1/realtime");
  const message = JSON.stringify({ type: "response.output_audio.delta", delta: "A".repeat(1 << 20) });
  const startedMs = performance.now();
  for (let count = 0; count < 100; count++) reader.message(message);
  expect(performance.now() - startedMs).toBeLessThan(500);
});
