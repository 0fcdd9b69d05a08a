import type { Clock } from "../clock.ts";
import type { RequestCounter } from "../limit/counters.ts";
import { fail, ok, type Result } from "../result.ts";
import type { Hold, Permit } from "./call.ts";
import type { Refusal } from "./refuse.ts";

/** Step 4: takes what the limits ask for. Tokens without a limit are counted afterwards, off the path. */
export function createLimit(deps: { readonly counter: RequestCounter; readonly clock: Clock }) {
  return async (permit: Permit): Promise<Result<Hold, Refusal>> => {
    const { token } = permit.grant;
    if (token.limits.maxRequests === null) return ok(holdOf(undefined, () => Promise.resolve()));
    const taken = await deps.counter.take(token.id, deps.clock.now());
    if (taken === "exhausted") return fail({ code: "rate_limit_exceeded" });
    return ok(holdOf(taken.remaining, () => deps.counter.refund(token.id)));
  };
}

function holdOf(remainingRequests: number | undefined, refund: () => Promise<void>): Hold {
  let isReleased = false;
  return {
    remainingRequests,
    isReleased: () => isReleased,
    async release() {
      if (isReleased) return;
      await refund();
      isReleased = true;
    },
  };
}
