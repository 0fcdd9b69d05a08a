import type { Usage } from "./usage.ts";

/** How a proxied request ended; one word that metrics, usage, events and logs share. */
export const outcomes = [
  "complete",
  "client_cancelled",
  "upstream_cut",
  "upstream_timeout",
  "upstream_error",
  "refused",
  /** The process that had it died: nobody knows. */
  "unknown",
] as const;
export type Outcome = (typeof outcomes)[number];

/** What an answer was found to be that ended as HTTP has it: it stopped before its last event, or told of an error. */
export type AnswerFault = "stream_incomplete" | "provider_error";

/** What an answer showed to have been used, and by which model. */
export interface Metered {
  /** That was asked for: it decides the price. "" where none was named. Cut at 200 characters, as is the next. */
  readonly model: string;
  /** That says it has answered; "" where none does. */
  readonly answeredModel: string;
  /** null where it is not known. */
  readonly usage: Usage | null;
  /** The provider's own usage object as JSON; "" where it gave none, or one of more than 4 KiB. */
  readonly usageRaw: string;
  /** What the provider bills on top of what `usage` counts, by the names of its fields. */
  readonly alsoBilled: readonly string[];
}

/** Nothing is known. */
export const unmetered: Metered = {
  model: "",
  answeredModel: "",
  usage: null,
  usageRaw: "",
  alsoBilled: [],
};

/** One row per proxied request whose token is known: who, what, how it ended, times and sizes. */
export interface UsageRecord extends Metered {
  /** The request id that the caller saw. */
  readonly requestId: string;
  /** When it came, ms since the epoch. */
  readonly atMs: number;
  readonly projectId: string;
  readonly tokenId: string;
  /** Empty where none was chosen yet. */
  readonly provider: string;
  /** The provider key that was used; empty where none was. */
  readonly keyId: string;
  readonly method: string;
  /** Path that was sent, without the query; cut at 500 characters. */
  readonly path: string;
  /** Status the caller got; 499 where it hung up before there was one. */
  readonly status: number;
  readonly outcome: Outcome;
  /** Our refusal code, or what was wrong with an answer that came (`AnswerFault`); empty if none. */
  readonly errorCode: string;
  readonly isStream: boolean;
  readonly durationMs: number;
  /** From the request's arrival to the first byte of the provider's answer; null where none came. */
  readonly ttfbMs: number | null;
  /** Bytes of the request body as far as known; of the answer's body as relayed. */
  readonly requestBytes: number;
  readonly responseBytes: number;
  /** null: nothing is known of it, or it has no price. */
  readonly costNanoUsd: bigint | null;
}
