import type { Attempt } from "./attempt.ts";
import type { Seen } from "./client.ts";

/** All that is known of a scenario with one target. */
export interface Evidence {
  readonly seen: readonly Seen[];
  /** At both providers, in the order they came. */
  readonly attempts: readonly Attempt[];
  /** Those that providers still worked on one second after the end of their call. */
  readonly abandoned: readonly Attempt[];
  /** What the gateway's own books say of each call; undefined: it keeps none. */
  readonly entries: readonly (readonly Entry[])[] | undefined;
}

/** What a gateway's books say of one call. */
export interface Entry {
  readonly status: number;
  /** Undefined where the books do not tell. */
  readonly provider: Attempt["provider"] | undefined;
  /** `whole`: the provider's answer to its end, errors too. */
  readonly ending: "whole" | "cut" | "left" | "refused" | undefined;
  /** Of the provider's answer. */
  readonly bytes: number | undefined;
}
