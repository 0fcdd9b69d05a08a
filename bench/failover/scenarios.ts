import { faultOfBooks } from "./books.ts";
import {
  answer,
  badChunk,
  close,
  done,
  finish,
  hangUp,
  open,
  refuse,
  reset,
  rightAnswer,
  type Script,
  say,
  sayEvent,
  tokensMax,
  wait,
} from "./deeds.ts";
import type { Evidence } from "./evidence.ts";
import { looksWhole } from "./judge.ts";
import type { Scenario } from "./scenario.ts";

const json = { isStream: false };
const stream = { isStream: true };
/** What a provider in trouble may honestly look like. */
const providersFault = [408, 429, 500, 502, 503, 504];
const boundMs = 15_000;

const tooManyRequests = refuse(429, "rate_limit_exceeded");
const unavailable = refuse(503, "service_unavailable");
const rest: Script = [say(tokensMax), finish("stop"), done, close];

/** 3 s well, 3 s ill, the illness by turns a 503 and a reset. */
function flapping(sinceMs: number): Script {
  const phase = Math.floor(sinceMs / 3_000) % 4;
  if (phase === 1) return unavailable;
  return phase === 3 ? [reset] : answer;
}

/** The scenarios of the issue of this name, in its order. */
export const scenarios: readonly Scenario[] = [
  {
    number: 1,
    name: "429 with Retry-After, once",
    why: "Asking again before the time that was told prolongs the block",
    primary: [refuse(429, "rate_limit_exceeded", 2_000), answer],
    calls: [json],
    boundMs,
    errors: providersFault,
  },
  {
    number: 2,
    name: "429 for ever, everywhere",
    why: "It has to end in an error, after few requests",
    primary: [tooManyRequests],
    fallback: [tooManyRequests],
    calls: [json],
    boundMs,
    errors: providersFault,
  },
  {
    number: 3,
    name: "one 500",
    why: "Gone a moment later: nobody should notice",
    primary: [refuse(500, "server_error"), answer],
    calls: [json],
    boundMs,
    errors: providersFault,
  },
  {
    number: 4,
    name: "503 for ever",
    why: "Only another provider helps",
    primary: [unavailable],
    calls: [json, stream],
    boundMs,
    errors: providersFault,
  },
  {
    number: 5,
    name: "TCP reset instead of an answer",
    why: "No status comes, so that code that looks at statuses misses it",
    primary: [[reset]],
    calls: [json, stream],
    boundMs,
    errors: providersFault,
  },
  {
    number: 6,
    name: "120 s of silence before the headers",
    why: "SDKs wait for ten minutes; a limit has to end it, and the request that nobody waits for any more",
    primary: [[wait(120_000), ...answer]],
    calls: [stream],
    boundMs: 60_000,
    errors: providersFault,
  },
  {
    number: 7,
    name: "20 s to the first token",
    why: "Slow is not broken: a model that thinks, with and without the headers sent ahead",
    primary: [
      [wait(20_000), ...answer],
      [open, wait(20_000), ...rest],
    ],
    calls: [stream, stream],
    boundMs: 30_000,
    errors: [],
  },
  {
    number: 8,
    name: "cut after 40 of 60 tokens",
    why: "Half an answer that ends well is taken for a whole one; by RST and by FIN",
    primary: [
      [open, say(40), reset],
      [open, say(40), hangUp],
    ],
    calls: [stream, stream],
    boundMs,
    errors: providersFault,
  },
  {
    number: 9,
    name: "30 s of silence in mid-stream",
    why: "Either it is waited for, or it is visibly given up",
    primary: [[open, say(20), wait(30_000), ...rest]],
    calls: [stream],
    boundMs: 45_000,
    errors: providersFault,
  },
  {
    number: 10,
    name: "a malformed chunk",
    why: "Of HTTP, and an event that is no JSON: what is missing must not go unnoticed",
    primary: [
      [open, say(10), badChunk, hangUp],
      [open, say(10), sayEvent('data: {"choices":[{"delta":{"cont\n\n'), ...rest],
    ],
    calls: [stream, stream],
    boundMs,
    errors: providersFault,
    judge: ({ seen }) => (seen[1] && looksWhole(seen[1]) ? "the malformed event was swallowed" : undefined),
  },
  {
    number: 11,
    name: "no [DONE]",
    why: "The answer is whole, as finish_reason says: it is neither an error nor waited for",
    primary: [[open, say(tokensMax), finish("stop"), close]],
    calls: [stream],
    boundMs,
    errors: [],
  },
  {
    number: 12,
    name: "context-length error",
    why: "The caller's own fault: programs shorten the conversation by this code",
    primary: [refuse(400, "context_length_exceeded")],
    fallback: [refuse(400, "context_length_exceeded")],
    calls: [json, stream],
    boundMs,
    errors: [400],
    errorCode: "context_length_exceeded",
  },
  {
    number: 13,
    name: "content filter in mid-stream",
    why: "A refusal is an answer, to be seen as what it is",
    primary: [[open, say(12), finish("content_filter"), done, close]],
    calls: [stream],
    boundMs,
    right: { text: rightAnswer.split(/(?<= )/, 12).join(""), finishReason: "content_filter" },
    errors: [],
  },
  {
    number: 14,
    name: "a fallback that rejects a prefill",
    why: "Not every model goes on with a started answer; leaving the start out would change the question",
    primary: [unavailable],
    fallback: [refuse(400, "prefill_not_supported")],
    calls: [{ isStream: false, hasPrefill: true }],
    boundMs,
    errors: [400, ...providersFault],
  },
  {
    number: 15,
    name: "flapping for 60 s",
    why: "Well and ill by turns: a gateway must not make it worse than it is",
    primary: flapping,
    calls: [json],
    pace: { everyMs: 500, forMs: 60_000 },
    boundMs,
    errors: providersFault,
    judge: faultOfShare,
  },
  {
    number: 16,
    name: "accounting",
    why: "Whole, cut, left, refused and rescued: the books have to say what the program and the provider saw",
    primary: [
      answer,
      [open, say(40), reset],
      [open, say(20), wait(60_000), ...rest],
      refuse(400, "context_length_exceeded"),
      refuse(500, "server_error"),
    ],
    calls: [stream, stream, { isStream: true, leavesAfter: 10 }, json, stream],
    boundMs,
    errors: [400, ...providersFault],
    needsBooks: true,
    judge: faultOfBooks,
  },
];

/** A little less than half: what a program gets that asks the flapping provider itself. */
const shareMin = 0.45;

function faultOfShare({ seen }: Evidence): string | undefined {
  const share = seen.filter(looksWhole).length / seen.length;
  return share < shareMin ? `only ${Math.round(share * 100)} % answers` : undefined;
}
