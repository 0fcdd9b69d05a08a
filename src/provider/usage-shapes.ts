import { divideUp } from "../usage/money.ts";
import type { ServiceTier, Usage } from "../usage/usage.ts";
import { noUsage } from "../usage/usage.ts";
import { type LooseObject, listOf, objectOf } from "./loose-json.ts";

/** No answer has more of anything; what claims to is not believed. Keeps sums far below 2^53. */
const countMax = 1e12;

/** A count; undefined for anything but a whole number from 0 that an answer can reach. */
export function countOf(value: unknown): number | undefined {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= countMax
    ? value
    : undefined;
}

/** Whole milliseconds of these seconds, rounded up; undefined for what is not a length. */
export function msOfSeconds(value: unknown): number | undefined {
  if (typeof value !== "number" || !(value >= 0 && value <= countMax / 1000)) return undefined;
  // Rounded first, or the noise of a product such as 8.47 * 1000 would make one more.
  return Math.ceil(Number((value * 1000).toFixed(6)));
}

/** The service tier that a word of OpenAI or Anthropic stands for; all that has no price of its own is standard. */
export function tierOf(word: unknown): ServiceTier {
  return word === "batch" || word === "flex" || word === "priority" ? word : "standard";
}

/**
 * `usage` of OpenAI and those that answer like it: chat, completions, embeddings, Responses, realtime, audio, pictures.
 * Null where nothing in it can be read.
 */
export function openAiUsage(raw: LooseObject): Usage | null {
  if (raw["type"] === "duration") {
    const audioMs = msOfSeconds(raw["seconds"]);
    return audioMs === undefined ? null : { ...noUsage, audioMs };
  }
  const total = countOf(raw["total_tokens"]);
  const output = countOf(raw["completion_tokens"]) ?? countOf(raw["output_tokens"]);
  // Embeddings and rankings of some tell nothing but the total.
  const input =
    countOf(raw["prompt_tokens"]) ??
    countOf(raw["input_tokens"]) ??
    (output === undefined ? total : undefined);
  // An amount, or Perplexity's object of them.
  const reportedCostNanoUsd = nanoUsdOf(raw["cost"]) ?? nanoUsdOf(objectOf(raw["cost"])["total_cost"]);
  if (input === undefined && output === undefined && reportedCostNanoUsd === null) return null;

  const details = detailsOf(raw, "prompt", "input");
  const outputDetails = detailsOf(raw, "completion", "output");
  const reasoningTokens = countOf(outputDetails["reasoning_tokens"]) ?? 0;
  const visibleTokens = (input ?? 0) + (output ?? 0);
  const isReasoningApart = reasoningTokens > 0 && total === visibleTokens + reasoningTokens; // xAI
  const cached = countOf(details["cached_tokens"]) ?? countOf(raw["prompt_cache_hit_tokens"]) ?? 0;
  // Audio from the cache has the price of what is cached, so it counts as that alone.
  const cachedAudio = countOf(objectOf(details["cached_tokens_details"])["audio_tokens"]) ?? 0;
  return withWholes({
    ...noUsage,
    inputTokens: input ?? 0,
    cachedInputTokens: cached,
    cacheWriteTokens: countOf(details["cache_write_tokens"]) ?? 0, // OpenRouter
    audioInputTokens: Math.max(0, (countOf(details["audio_tokens"]) ?? 0) - cachedAudio),
    outputTokens: (output ?? 0) + (isReasoningApart ? reasoningTokens : 0),
    reasoningTokens,
    audioOutputTokens: countOf(outputDetails["audio_tokens"]) ?? 0,
    webSearches: countOf(raw["num_search_queries"]) ?? 0, // Perplexity
    tier: tierOf(raw["service_tier"]),
    reportedCostNanoUsd,
  });
}

/** `usage` of Anthropic, whose input tokens leave out both what came from the cache and what was written to it. */
export function anthropicUsage(raw: LooseObject): Usage | null {
  const plain = countOf(raw["input_tokens"]);
  const output = countOf(raw["output_tokens"]);
  const cached = countOf(raw["cache_read_input_tokens"]);
  const created = countOf(raw["cache_creation_input_tokens"]);
  const byTime = objectOf(raw["cache_creation"]);
  const hour = countOf(byTime["ephemeral_1h_input_tokens"]) ?? 0;
  const written = Math.max(created ?? 0, hour + (countOf(byTime["ephemeral_5m_input_tokens"]) ?? 0));
  if ([plain, output, cached, created].every((count) => count === undefined) && written === 0) return null;

  return {
    ...noUsage,
    inputTokens: (plain ?? 0) + (cached ?? 0) + written,
    cachedInputTokens: cached ?? 0,
    cacheWriteTokens: written - hour,
    cacheWriteHourTokens: hour,
    outputTokens: output ?? 0,
    webSearches: countOf(objectOf(raw["server_tool_use"])["web_search_requests"]) ?? 0,
    tier: raw["speed"] === "fast" ? "priority" : tierOf(raw["service_tier"]),
  };
}

/** `usageMetadata` of Gemini: thoughts and the prompts of its own tools are apart from the other counts. */
export function geminiUsage(raw: LooseObject): Usage | null {
  const prompt = countOf(raw["promptTokenCount"]);
  const tools = countOf(raw["toolUsePromptTokenCount"]);
  const answer = countOf(raw["candidatesTokenCount"]) ?? countOf(raw["responseTokenCount"]);
  const thoughts = countOf(raw["thoughtsTokenCount"]);
  if ([prompt, tools, answer, thoughts].every((count) => count === undefined)) return null;

  const audioPrompt = audioOf(raw["promptTokensDetails"]) + audioOf(raw["toolUsePromptTokensDetails"]);
  return withWholes({
    ...noUsage,
    inputTokens: (prompt ?? 0) + (tools ?? 0),
    cachedInputTokens: countOf(raw["cachedContentTokenCount"]) ?? 0,
    audioInputTokens: Math.max(0, audioPrompt - audioOf(raw["cacheTokensDetails"])),
    outputTokens: (answer ?? 0) + (thoughts ?? 0),
    reasoningTokens: thoughts ?? 0,
    audioOutputTokens: audioOf(raw["candidatesTokensDetails"]) + audioOf(raw["responseTokensDetails"]),
  });
}

/** Details of one side, under any of the four names they go by. */
function detailsOf(raw: LooseObject, chat: string, responses: string): LooseObject {
  for (const side of [chat, responses])
    for (const infix of ["tokens", "token"]) {
      const details = objectOf(raw[`${side}_${infix}_details`]);
      if (Object.keys(details).length > 0) return details;
    }
  return {};
}

function audioOf(modalities: unknown): number {
  let sum = 0;
  for (const entry of listOf(modalities).map(objectOf))
    if (entry["modality"] === "AUDIO") sum = Math.min(countMax, sum + (countOf(entry["tokenCount"]) ?? 0));
  return sum;
}

/** A whole is never less than its parts: one that is was reported wrongly, and too low. */
function withWholes(usage: Usage): Usage {
  const throughCache = usage.cachedInputTokens + usage.cacheWriteTokens;
  return {
    ...usage,
    inputTokens: Math.max(usage.inputTokens, throughCache, usage.audioInputTokens),
    outputTokens: Math.max(usage.outputTokens, usage.reasoningTokens, usage.audioOutputTokens),
  };
}

/** Dollars of a JSON number, exact to the digits it was written with; a fraction of a nano-dollar counts as one. */
function nanoUsdOf(dollars: unknown): bigint | null {
  if (typeof dollars !== "number" || !(dollars >= 0 && dollars <= 1e9)) return null;
  const [mantissa = "", exponent = "0"] = String(dollars).split("e");
  const [whole = "", fraction = ""] = mantissa.split(".");
  const shift = 9 + Number(exponent) - fraction.length;
  const digits = BigInt(whole + fraction);
  return shift >= 0 ? digits * 10n ** BigInt(shift) : divideUp(digits, 10n ** BigInt(-shift));
}

/** Tools of Anthropic's that are counted apart, or free but for their tokens. */
const settledTools = new Set(["web_search_requests", "web_fetch_requests"]);

/**
 * What a usage object has that is billed and that no count of ours holds, by the names of its fields: a price table
 * cannot know it, so that a cost made of the counts may be too low.
 */
export function alsoBilledIn(raw: LooseObject): string[] {
  const isUsed = (value: unknown): boolean => (countOf(value) ?? 0) > 0;
  const tools = objectOf(raw["server_tool_use"]);
  const input = detailsOf(raw, "prompt", "input");
  const output = detailsOf(raw, "completion", "output");
  const modalities = listOf(raw["candidatesTokensDetails"]).map(objectOf);
  return [
    ...Object.keys(tools)
      .filter((name) => !settledTools.has(name) && isUsed(tools[name]))
      .map((name) => `server_tool_use.${name}`),
    ...["image_tokens", "video_tokens"].filter((name) => isUsed(input[name])).map((name) => `input.${name}`),
    ...(isUsed(output["image_tokens"]) ? ["output.image_tokens"] : []),
    ...modalities
      .filter(({ modality, tokenCount }) => modality === "IMAGE" && isUsed(tokenCount))
      .map(() => "output.image_tokens"),
    ...["citation_tokens", "num_sources_used", "search_units"].filter((name) => isUsed(raw[name])),
    ...(raw["inference_geo"] === "us" ? ["inference_geo"] : []),
  ];
}
