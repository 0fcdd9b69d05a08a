import type { RetryPolicy } from "../provider/provider.ts";

/** What to do with an answer, or with the lack of one. */
export type Verdict =
  | { readonly do: "hand_on"; readonly restMs?: number }
  /** The key rests that long (also where the answer is handed on), and another one is tried at once. */
  | { readonly do: "other_key"; readonly restMs: number }
  | { readonly do: "again"; readonly delayMs: number };

/** Where a request stands when an attempt has failed. */
export interface Standing {
  /** Attempts made, this one included; moves to another key do not count. */
  readonly attempts: number;
  /** The body is held or there is none: it can be sent again. */
  readonly canRepeat: boolean;
  /** Another key of the pool could be tried. */
  readonly hasOtherKey: boolean;
  readonly policy: RetryPolicy;
  /** 0 to 1. */
  readonly random: number;
  /** Wall clock, for `Retry-After` as a date. */
  readonly nowMs: number;
}

const handOn: Verdict = { do: "hand_on" };
/** A key that the provider refuses comes back after this: somebody may have mended it there. */
const refusedKeyRestMs = 5 * 60_000;
const limitedKeyRestMs = { min: 1_000, otherwise: 10_000, max: 10 * 60_000 };
const firstDelayMs = 100;

/**
 * Judges an answer that has come, before a byte of it has gone to the client. The last key is never set aside, and
 * without a policy for the status the answer goes to the caller as it came (product.md, Credentials).
 */
export function judgeAnswer({ status, headers }: Response, at: Standing): Verdict {
  const told = retryAfterMs(headers, at.nowMs);
  const restMs = at.hasOtherKey ? keyRestMs(status, told) : undefined;
  // A body that has passed cannot go to another key; the next request can.
  if (restMs !== undefined) return { do: at.canRepeat ? "other_key" : "hand_on", restMs };
  if (!at.canRepeat) return handOn;
  if (!at.policy.onStatus.includes(status) || at.attempts > at.policy.max) return handOn;
  const delayMs = told ?? ownDelayMs(at);
  return delayMs > at.policy.delayMsMax ? handOn : { do: "again", delayMs };
}

/** Judges an attempt in which no connection came about: the provider has seen nothing, so that it is safe to repeat. */
export function judgeNoConnection(at: Standing): Verdict {
  if (!at.canRepeat || at.attempts > at.policy.max) return handOn;
  return { do: "again", delayMs: ownDelayMs(at) };
}

/** 100 ms, 200 ms, 400 ms … up to the policy's bound, each between its half and its whole. */
function ownDelayMs({ attempts, random, policy }: Standing): number {
  return Math.min(firstDelayMs * 2 ** (attempts - 1), policy.delayMsMax) * (0.5 + random / 2);
}

/** How long a key is left alone after that status; undefined where the status says nothing against it. */
function keyRestMs(status: number, told: number | undefined): number | undefined {
  if (status === 401 || status === 403) return refusedKeyRestMs;
  return status === 429 ? clampRest(told) : undefined;
}

function clampRest(told: number | undefined): number {
  const { min, otherwise, max } = limitedKeyRestMs;
  return Math.min(Math.max(told ?? otherwise, min), max);
}

/**
 * How long the provider asks to wait: `retry-after-ms` (OpenAI), or `Retry-After` in seconds or as a date (RFC 9110,
 * 10.2.3). undefined where it says nothing that can be read.
 */
export function retryAfterMs(headers: Headers, nowMs: number): number | undefined {
  const ms = readNumber(headers.get("retry-after-ms"));
  if (ms !== undefined) return ms;
  const text = headers.get("retry-after");
  const seconds = readNumber(text);
  if (seconds !== undefined) return seconds * 1000;
  const date = text?.endsWith("GMT") ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}

function readNumber(text: string | null): number | undefined {
  return text !== null && /^\d{1,9}(\.\d{1,9})?$/.test(text.trim()) ? Number(text) : undefined;
}
