import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Usage } from "../usage/usage.ts";
import { noUsage } from "../usage/usage.ts";
import { anthropicUsage, geminiUsage, msOfSeconds, openAiUsage } from "./usage-shapes.ts";

type Case = readonly [name: string, raw: Record<string, unknown>, usage: Partial<Usage> | null];

const whole = (usage: Partial<Usage> | null) => (usage === null ? null : { ...noUsage, ...usage });

const openAi: readonly Case[] = [
  [
    "USE-102 cached and reasoning tokens are inside",
    {
      prompt_tokens: 2006,
      completion_tokens: 300,
      total_tokens: 2306,
      prompt_tokens_details: { cached_tokens: 1920 },
      completion_tokens_details: { reasoning_tokens: 200 },
    },
    { inputTokens: 2006, cachedInputTokens: 1920, outputTokens: 300, reasoningTokens: 200 },
  ],
  [
    "USE-103 Responses",
    {
      input_tokens: 100,
      input_tokens_details: { cached_tokens: 40 },
      output_tokens: 7,
      output_tokens_details: { reasoning_tokens: 5 },
      total_tokens: 107,
    },
    { inputTokens: 100, cachedInputTokens: 40, outputTokens: 7, reasoningTokens: 5 },
  ],
  ["USE-105 audio by time", { type: "duration", seconds: 61 }, { audioMs: 61_000 }],
  [
    "USE-105 audio by tokens",
    {
      type: "tokens",
      input_tokens: 14,
      input_token_details: { audio_tokens: 10, text_tokens: 4 },
      output_tokens: 5,
    },
    { inputTokens: 14, audioInputTokens: 10, outputTokens: 5 },
  ],
  ["USE-106 embeddings", { prompt_tokens: 8, total_tokens: 8 }, { inputTokens: 8 }],
  ["USE-106 a total alone", { total_tokens: 8 }, { inputTokens: 8 }],
  [
    "USE-106 pictures",
    {
      input_tokens: 50,
      output_tokens: 4160,
      input_tokens_details: { image_tokens: 40, text_tokens: 10 },
    },
    { inputTokens: 50, outputTokens: 4160 },
  ],
  [
    "realtime, whose cached audio counts as cached",
    {
      input_tokens: 100,
      output_tokens: 30,
      input_token_details: {
        cached_tokens: 40,
        audio_tokens: 70,
        cached_tokens_details: { audio_tokens: 25 },
      },
      output_token_details: { audio_tokens: 20 },
    },
    {
      inputTokens: 100,
      cachedInputTokens: 40,
      audioInputTokens: 45,
      outputTokens: 30,
      audioOutputTokens: 20,
    },
  ],
  [
    "DeepSeek's cache",
    { prompt_tokens: 10, prompt_cache_hit_tokens: 6, prompt_cache_miss_tokens: 4, completion_tokens: 1 },
    { inputTokens: 10, cachedInputTokens: 6, outputTokens: 1 },
  ],
  [
    "xAI's reasoning, which is outside",
    {
      prompt_tokens: 10,
      completion_tokens: 9,
      total_tokens: 319,
      completion_tokens_details: { reasoning_tokens: 300 },
    },
    { inputTokens: 10, outputTokens: 309, reasoningTokens: 300 },
  ],
  [
    "OpenRouter's cost and cache",
    {
      prompt_tokens: 5,
      completion_tokens: 2,
      cost: 0.00014,
      prompt_tokens_details: { cache_write_tokens: 3 },
    },
    { inputTokens: 5, cacheWriteTokens: 3, outputTokens: 2, reportedCostNanoUsd: 140_000n },
  ],
  ["a cost below a nano-dollar", { cost: 1.5e-10 }, { reportedCostNanoUsd: 1n }],
  ["a cost with an exponent", { cost: 1.23e-7 }, { reportedCostNanoUsd: 123n }],
  ["a cost with many digits", { cost: 12.3456789012 }, { reportedCostNanoUsd: 12_345_678_902n }],
  ["no cost", { prompt_tokens: 1, cost: 0 }, { inputTokens: 1, reportedCostNanoUsd: 0n }],
  ["an odd cost", { prompt_tokens: 1, cost: { total: 1 } }, { inputTokens: 1 }],
  ["USE-110 a tier", { prompt_tokens: 1, service_tier: "flex" }, { inputTokens: 1, tier: "flex" }],
  [
    "parts that are more than their whole",
    {
      prompt_tokens: 1,
      completion_tokens: 1,
      prompt_tokens_details: { cached_tokens: 5 },
      completion_tokens_details: { reasoning_tokens: 6 },
    },
    { inputTokens: 5, cachedInputTokens: 5, outputTokens: 6, reasoningTokens: 6 },
  ],
  ["JSN-105 odd counts", { prompt_tokens: "12", completion_tokens: -3, total_tokens: 1e99 }, null],
  ["JSN-105 a fraction", { prompt_tokens: 1.5 }, null],
  ["JSN-105 one odd count of two", { prompt_tokens: null, completion_tokens: 4 }, { outputTokens: 4 }],
  [
    "JSN-105 odd details",
    { prompt_tokens: 3, prompt_tokens_details: [1], completion_tokens_details: "x" },
    { inputTokens: 3 },
  ],
  ["JSN-105 an odd length", { type: "duration", seconds: -1 }, null],
  ["nothing", {}, null],
];

test.each(openAi)("openai: %s", (_, raw, usage) => {
  expect(openAiUsage(raw)).toEqual(whole(usage));
});

const anthropic: readonly Case[] = [
  [
    "USE-101 the cache is outside of the input",
    {
      input_tokens: 3,
      cache_creation_input_tokens: 12_304,
      cache_read_input_tokens: 2000,
      cache_creation: { ephemeral_5m_input_tokens: 12_000, ephemeral_1h_input_tokens: 304 },
      output_tokens: 550,
    },
    {
      inputTokens: 14_307,
      cachedInputTokens: 2000,
      cacheWriteTokens: 12_000,
      cacheWriteHourTokens: 304,
      outputTokens: 550,
    },
  ],
  [
    "what was written for no told time",
    { input_tokens: 1, cache_creation_input_tokens: 5, output_tokens: 2 },
    { inputTokens: 6, cacheWriteTokens: 5, outputTokens: 2 },
  ],
  [
    "USE-110 searches and the tier",
    {
      input_tokens: 1,
      output_tokens: 2,
      server_tool_use: { web_search_requests: 3 },
      service_tier: "batch",
    },
    { inputTokens: 1, outputTokens: 2, webSearches: 3, tier: "batch" },
  ],
  ["USE-110 fast", { input_tokens: 1, speed: "fast" }, { inputTokens: 1, tier: "priority" }],
  ["JSN-105 odd counts", { input_tokens: "1", output_tokens: 1e99, cache_creation: [] }, null],
];

test.each(anthropic)("anthropic: %s", (_, raw, usage) => {
  expect(anthropicUsage(raw)).toEqual(whole(usage));
});

const gemini: readonly Case[] = [
  [
    "thoughts are outside of the candidates, the cache inside of the prompt",
    {
      promptTokenCount: 100,
      cachedContentTokenCount: 60,
      candidatesTokenCount: 20,
      thoughtsTokenCount: 30,
      totalTokenCount: 150,
    },
    { inputTokens: 100, cachedInputTokens: 60, outputTokens: 50, reasoningTokens: 30 },
  ],
  [
    "USE-110 audio and prompts of tools",
    {
      promptTokenCount: 100,
      promptTokensDetails: [
        { modality: "AUDIO", tokenCount: 90 },
        { modality: "TEXT", tokenCount: 10 },
      ],
      toolUsePromptTokenCount: 25,
      responseTokenCount: 7,
      responseTokensDetails: [{ modality: "AUDIO", tokenCount: 6 }],
    },
    { inputTokens: 125, audioInputTokens: 90, outputTokens: 7, audioOutputTokens: 6 },
  ],
  ["JSN-105 odd counts", { promptTokenCount: [], candidatesTokenCount: 0.1, thoughtsTokenCount: "3" }, null],
];

test.each(gemini)("gemini: %s", (_, raw, usage) => {
  expect(geminiUsage(raw)).toEqual(whole(usage));
});

test.each([
  [61.2, 61_200],
  [8.47, 8470],
  [0.0004, 1],
  [0.0014, 2],
  ["1", undefined],
  [Number.NaN, undefined],
])("%p seconds are %p ms, rounded up", (seconds: unknown, ms: number | undefined) => {
  expect(msOfSeconds(seconds)).toBe(ms as number);
});

test("JSN-105 no usage, whatever it holds, makes a count that is none", () => {
  const name = fc.constantFrom(
    ...[...openAi, ...anthropic, ...gemini].flatMap(([, raw]) => [
      ...Object.keys(raw),
      ...Object.values(raw).flatMap((value) => Object.keys(Object(value))),
    ]),
  );
  const odd = fc.oneof(fc.double(), fc.maxSafeInteger(), fc.nat(1000), fc.string(), fc.constant(null));
  const raw = fc.dictionary(
    name,
    fc.oneof(odd, fc.dictionary(name, odd), fc.array(fc.dictionary(name, odd))),
  );
  fc.assert(
    fc.property(raw, (fields) => {
      for (const usage of [openAiUsage(fields), anthropicUsage(fields), geminiUsage(fields)])
        for (const count of Object.values(usage ?? {}))
          expect(typeof count !== "number" || (Number.isSafeInteger(count) && count >= 0)).toBe(true);
    }),
  );
});
