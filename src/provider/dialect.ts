import type { DialectName } from "./provider.ts";

/** One of our refusals, before it has a shape. */
export interface ErrorFacts {
  /** HTTP status. */
  readonly status: number;
  /** Stable snake_case code. */
  readonly code: string;
  /** What is wrong, in words. */
  readonly message: string;
  /** What to do about it; may be empty. */
  readonly description: string;
  readonly requestId: string;
}

/** An API family, as far as our own errors have to look like its own so that its SDK understands them. */
export interface Dialect {
  readonly name: DialectName;
  /** The JSON body of an error answer. */
  errorBody(facts: ErrorFacts): unknown;
  /** Header in which the family's SDK looks for the request id. */
  readonly requestIdHeader: string;
  /** One whole SSE event that tells of a failure in the middle of a stream; undefined where the family has none. */
  errorEvent(facts: ErrorFacts, path: string): string | undefined;
}

/** `message`, then what to do: SDKs show one text only. */
export function wholeMessage(facts: ErrorFacts): string {
  return facts.description === "" ? facts.message : `${facts.message}. ${facts.description}`;
}
