import type { Attempt } from "./attempt.ts";
import type { Seen } from "./client.ts";
import { rightAnswer } from "./deeds.ts";
import type { Evidence } from "./evidence.ts";
import type { Scenario } from "./scenario.ts";

/** How a target did. */
export interface Verdict {
  readonly isPass: boolean;
  /** What the program got, such as `answer` or `429`. */
  readonly got: string;
  /** What broke the rule, without repetitions; empty for a pass. */
  readonly faults: readonly string[];
}

/** More requests than this for one call make a bad hour of the provider worse. */
const attemptsMax = 6;

/**
 * A pass is the right answer or an honest error within the bound, for every call, at the price of one answer at most.
 * The same for every target.
 */
export function judge(scenario: Scenario, boundMs: number, evidence: Evidence): Verdict {
  const ofCalls = evidence.seen.flatMap((seen) => {
    const attempts = attemptsFor(seen, evidence.attempts);
    return [faultOfAnswer(scenario, seen, boundMs), ...faultsOfAttempts(seen, attempts, evidence.abandoned)];
  });
  const faults = [...ofCalls, scenario.judge?.(evidence)].filter((fault) => fault !== undefined);
  return { isPass: faults.length === 0, got: gotBy(evidence), faults: [...new Set(faults)] };
}

/** The requests that were made for a call. */
export function attemptsFor({ callId }: Seen, attempts: readonly Attempt[]): readonly Attempt[] {
  return attempts.filter((attempt) => attempt.callId === callId);
}

/** Whether a program takes this for an answer to its end. */
export function looksWhole({ ending, status, streamError }: Seen): boolean {
  return ending === "whole" && status < 300 && streamError === undefined;
}

function faultOfAnswer(scenario: Scenario, seen: Seen, boundMs: number): string | undefined {
  const { right = { text: rightAnswer, finishReason: "stop" } } = scenario;
  if (seen.ending === "left") return undefined;
  if (seen.ending === "silent" || seen.tookMs > boundMs) return `no end within ${seconds(boundMs)}`;
  if (!looksWhole(seen)) return faultOfError(scenario, seen, right.text);
  if (seen.text === right.text && seen.finishReason === right.finishReason) return undefined;
  const reason = seen.finishReason === undefined ? "no finish_reason" : `finish_reason ${seen.finishReason}`;
  return `looks whole with ${tokensIn(seen.text)} of ${tokensIn(right.text)} tokens and ${reason}`;
}

function faultOfError({ errors, errorCode = "" }: Scenario, seen: Seen, right: string): string | undefined {
  if (errors.length === 0) return `${whatCame(seen)}, although a provider answers`;
  if (!right.startsWith(seen.text)) return "text that no provider wrote";
  if (Number.isNaN(seen.status) || seen.status < 300) return undefined;
  if (!errors.includes(seen.status)) return `${seen.status} tells of another fault`;
  return seen.body.includes(errorCode) ? undefined : `the error does not say ${errorCode}`;
}

function faultsOfAttempts(seen: Seen, attempts: readonly Attempt[], abandoned: readonly Attempt[]) {
  const paid = attempts.filter(({ isBilled }) => isBilled).length;
  const forNobody = attempts.filter((attempt) => abandoned.includes(attempt)).length;
  return [
    paid > 1 ? `${paid} answers to pay for` : undefined,
    forNobody > 0 ? "a provider goes on working for nobody" : undefined,
    attempts.length > attemptsMax ? `${attempts.length} requests to providers` : undefined,
    attempts.some(({ messages }) => messages !== seen.messages) ? "another conversation was sent" : undefined,
    attempts.some((attempt) => isTooSoon(attempt, attempts)) ? "asked again before Retry-After" : undefined,
  ];
}

/** One that was answered with `Retry-After` counts for its own provider alone. A tenth is left to clocks. */
function isTooSoon(attempt: Attempt, attempts: readonly Attempt[]): boolean {
  return attempts.some(
    ({ provider, atMs, waitToldMs }) =>
      provider === attempt.provider && atMs < attempt.atMs && attempt.atMs - atMs < waitToldMs * 0.9,
  );
}

function gotBy({ seen, attempts }: Evidence): string {
  const counts = new Map<string, number>();
  for (const one of seen) {
    const by = attemptsFor(one, attempts).findLast(({ isBilled }) => isBilled)?.provider;
    const what = looksWhole(one) && by === "fallback" ? "answer of the fallback" : whatCame(one);
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }
  return [...counts].map(([what, count]) => (count > 1 ? `${count} × ${what}` : what)).join(", ");
}

function whatCame(seen: Seen): string {
  if (looksWhole(seen))
    return seen.finishReason ? "answer" : `whole by its looks, ${tokensIn(seen.text)} tokens`;
  if (seen.ending === "silent") return "nothing more";
  if (seen.ending === "left") return "left";
  if (Number.isNaN(seen.status)) return "connection broken";
  if (seen.status >= 300) return String(seen.status);
  return `${seen.streamError === undefined ? "cut" : "error"} after ${tokensIn(seen.text)} tokens`;
}

function tokensIn(text: string): number {
  return text.match(/\S+/g)?.length ?? 0;
}

function seconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}
