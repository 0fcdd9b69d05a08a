import type { Ask } from "./client.ts";
import type { Evidence } from "./evidence.ts";
import type { Behaviour } from "./provider.ts";

/** Something that goes wrong at a provider, and what a program may see of it. All times are for a scale of 1. */
export interface Scenario {
  readonly number: number;
  readonly name: string;
  /** Why it is in the list. */
  readonly why: string;
  readonly primary: Behaviour;
  /** Without one it answers. */
  readonly fallback?: Behaviour;
  /** One after the other. */
  readonly calls: readonly Ask[];
  /** Makes the first call again and again instead, whether or not those before have ended. */
  readonly pace?: { readonly everyMs: number; readonly forMs: number };
  /** Longest that a call may take. */
  readonly boundMs: number;
  /** What counts as the answer; default: all tokens, and `stop`. */
  readonly right?: { readonly text: string; readonly finishReason: string };
  /** Statuses that tell the truth; where there are some, so does an answer that visibly breaks off. Empty: no error will do. */
  readonly errors: readonly number[];
  /** What an error status has to say in its body. */
  readonly errorCode?: string;
  /** The gateway's books are read, too. */
  readonly needsBooks?: true;
  /** What has to hold beyond the rules for every call: what does not, or undefined. */
  readonly judge?: (evidence: Evidence) => string | undefined;
}
