import type { KeyCache } from "../cache/key-cache.ts";
import { fail, type Result } from "../result.ts";
import { callProvider, discard } from "./attempt.ts";
import type { Body, Call, Hold, Permit, Reply } from "./call.ts";
import type { FindFallback } from "./fallback.ts";
import { createTravel, type Ending, endsOf, type Journey, type LegDeps } from "./leg.ts";
import type { Refusal } from "./refuse.ts";

interface ForwardDeps extends LegDeps {
  readonly keys: KeyCache;
  readonly findFallback: FindFallback;
}

/**
 * Step 5: asks the provider, and where that gives nothing to hand on the fallbacks that it names, in their order. The
 * last answer that came is handed on, whatever its status; redirects are not followed.
 */
export function createForward(deps: ForwardDeps) {
  const travel = createTravel(deps);

  return async (call: Call, permit: Permit, body: Body, hold: Hold): Promise<Result<Reply, Refusal>> => {
    const { provider, grant } = permit;
    const refuse = (refusal: Refusal) => {
      hold.release();
      return fail(refusal);
    };
    const ring = permit.ring ?? (await deps.keys.find(grant.project.id, provider.name));
    if (ring.keys.length === 0 && provider.auth.scheme !== "none")
      return refuse({ code: "upstream_auth_error" });

    const start = { ...endsOf(provider.timeouts, deps.clock), attempts: 0, wasReached: false };
    const journey: Journey = { call, permit, body, send: callProvider, ...start };
    const ending = await travel(journey, { ...permit, ring });
    const { result } = ending.mayMoveOn ? await moveOn(journey, ending) : ending;
    return result.ok || journey.wasReached ? result : refuse(result.error);
  };

  /** A fault of ours here is no reason to take back what a provider may have worked for. */
  async function findRoute(...asked: Parameters<FindFallback>): ReturnType<FindFallback> {
    try {
      return await deps.findFallback(...asked);
    } catch (error) {
      deps.onFault(asked[3], asked[0].requestId, error);
      return undefined;
    }
  }

  /** From fallback to fallback, until one gives something or time is over. */
  async function moveOn(journey: Journey, first: Ending): Promise<Ending> {
    const { call, permit, body, endsAtMs } = journey;
    let ending = first;
    for (const name of permit.provider.fallback) {
      const route = await findRoute(call, permit, body, name);
      if (route !== undefined) ending = preferred(ending, await travel(journey, route));
      if (!ending.mayMoveOn || deps.clock.monotonic() >= endsAtMs) break;
    }
    return ending;
  }
}

/** An answer goes before none, and of two the later one; of two refusals the first says what began it. */
function preferred(before: Ending, after: Ending): Ending {
  const isOver = !after.result.ok && after.result.error.code === "client_cancelled";
  if (!after.result.ok && !isOver) return { result: before.result, mayMoveOn: after.mayMoveOn };
  if (before.result.ok) {
    before.result.value.deadline.stop();
    discard(before.result.value.upstream);
  }
  return after;
}
