import type { KeyRing, OpenKey } from "../cache/key-cache.ts";
import type { Clock } from "../clock.ts";
import { fail, ok, type Result } from "../result.ts";
import { callProvider, discard, isConnectFault, isLimited, startTimes } from "./attempt.ts";
import type { Breaker, Health } from "./breaker.ts";
import type { Body, Call, Deadline, Permit, Reply } from "./call.ts";
import { createDeadline, pause } from "./deadline.ts";
import type { KeyPool } from "./key-pool.ts";
import type { Refusal } from "./refuse.ts";
import { judgeAnswer, judgeNoConnection, type Standing, type Verdict } from "./retry.ts";
import type { RetryBudget } from "./retry-budget.ts";

/** What the attempts at one provider need. */
export interface LegDeps {
  readonly pool: KeyPool;
  readonly budget: RetryBudget;
  readonly breaker: Breaker;
  readonly clock: Clock;
  readonly random: () => number;
  readonly version: string;
  /** Told why a provider could not be reached; the text may come from outside. */
  readonly onFault: (provider: string, requestId: string, error: unknown) => void;
  readonly onRetry: (provider: string) => void;
  /** A key was set aside because of this status. */
  readonly onKeyRest: (provider: string, keyId: string, status: number, restMs: number) => void;
}

/** Where a request may go, with the keys for it. */
export interface Route extends Permit {
  readonly ring: KeyRing;
}

/** One request on its way, from provider to provider. */
export interface Journey {
  readonly call: Call;
  /** For the provider that the request is for. */
  readonly permit: Permit;
  readonly body: Body;
  /** Monotonic: when the whole of it must be over; infinite where nothing says so. */
  readonly endsAtMs: number;
  /** At all providers so far. */
  attempts: number;
  /** Whether a provider may have seen the request. */
  wasReached: boolean;
}

/** How the attempts at one provider ended. */
export interface Ending {
  readonly result: Result<Reply, Refusal>;
  /** Another provider may be asked: this one gave nothing, or a status that its policy takes for as good as nothing. */
  readonly mayMoveOn: boolean;
}

/** The part of a journey that is at one provider. */
interface Leg {
  readonly journey: Journey;
  readonly route: Route;
  readonly endsAtMs: number;
  readonly deadline: Deadline;
  readonly tried: Set<string>;
  /** Attempts that the policy allowed on top of the first; moves to another key are not among them. */
  repeats: number;
}

/**
 * Calls one provider until there is something to hand on, whatever its status. Attempts are repeated only before a
 * byte has gone to the client, with a body that can be sent again, and where `retry.ts` says so.
 */
export function createTravel(deps: LegDeps) {
  return async (journey: Journey, route: Route): Promise<Ending> => {
    const { origin, timeouts } = route.provider;
    const leave = deps.breaker.ask(origin);
    if (!leave.ok)
      return { result: fail({ code: "circuit_open", retryAfterMs: leave.error }), mayMoveOn: true };
    deps.budget.deposit(origin);
    const ownEndMs = timeouts.requestMs > 0 ? deps.clock.monotonic() + timeouts.requestMs : Infinity;
    const endsAtMs = Math.min(journey.endsAtMs, ownEndMs);
    const deadline = createDeadline(
      journey.call.request.signal,
      isLimited(route.provider) || endsAtMs < Infinity,
    );
    const ending = await attempts({ journey, route, endsAtMs, deadline, tried: new Set(), repeats: 0 });
    leave.value.tell(healthOf(ending.result));
    return ending;
  };

  /** From attempt to attempt. */
  async function attempts(leg: Leg): Promise<Ending> {
    const { journey, route, deadline, tried } = leg;
    const { call, body } = journey;
    for (;;) {
      const key = deps.pool.choose(route.ring, { body, tokenId: route.grant.token.id, tried });
      if (key !== undefined) tried.add(key.id);
      journey.attempts++;
      const times = startTimes(deps.clock, call);
      const limitMs = leftMs(leg);
      const answer = await callProvider({
        call,
        permit: route,
        body,
        key,
        deadline,
        limitMs,
        version: deps.version,
      });
      if (answer.ok || !isConnectFault(answer.error)) journey.wasReached = true;
      const verdict = answer.ok ? judge(leg, answer.value, key) : judgeFault(leg, answer.error);
      if (verdict.do === "hand_on") {
        if (!answer.ok) return endWithout(leg, answer.error);
        const retries = journey.attempts - 1;
        const facts = { keyId: key?.id ?? "", retries, deadline, requestLeftMs: leftMs(leg) };
        const { provider } = route;
        const isFallback = provider !== journey.permit.provider;
        const reply = { ...times(), ...facts, provider, isFallback, upstream: answer.value };
        return { result: ok(reply), mayMoveOn: countsAs(leg, answer.value.status) };
      }
      if (answer.ok) discard(answer.value);
      deps.onRetry(route.provider.name);
      deadline.arm(0);
      if (verdict.do === "other_key") continue;
      tried.clear();
      leg.repeats++;
      await pause(verdict.delayMs, deadline.signal);
      if (call.request.signal.aborted) return cancelled;
    }
  }

  /** 0: there is no limit. */
  function leftMs({ endsAtMs }: Leg): number {
    return endsAtMs === Infinity ? 0 : Math.max(1, endsAtMs - deps.clock.monotonic());
  }

  function judge(leg: Leg, upstream: Response, key: OpenKey | undefined): Verdict {
    if (upstream.status < 400) return { do: "hand_on" };
    const verdict = judgeAnswer(upstream, standingOf(leg));
    if (verdict.do !== "again" && verdict.restMs !== undefined && key !== undefined) {
      deps.pool.rest(key, verdict.restMs);
      deps.onKeyRest(leg.route.provider.name, key.id, upstream.status, verdict.restMs);
    }
    return withinBounds(leg, verdict);
  }

  function judgeFault(leg: Leg, error: unknown): Verdict {
    if (leg.deadline.signal.aborted || !isConnectFault(error)) return { do: "hand_on" };
    deps.onFault(leg.route.provider.name, leg.journey.call.requestId, error);
    return withinBounds(leg, judgeNoConnection(standingOf(leg)));
  }

  /** Another key is tried whatever the budget: the pool is small, and the refused key rests. */
  function withinBounds(leg: Leg, verdict: Verdict): Verdict {
    if (verdict.do !== "again") return verdict;
    const isInTime = deps.clock.monotonic() + verdict.delayMs < leg.endsAtMs;
    return isInTime && deps.budget.withdraw(leg.route.provider.origin) ? verdict : { do: "hand_on" };
  }

  function standingOf({ repeats, journey, route, tried }: Leg): Standing {
    return {
      attempts: repeats + 1,
      canRepeat: journey.body.kind !== "streamed",
      hasOtherKey: deps.pool.hasOther(route.ring, tried),
      policy: route.provider.retry,
      random: deps.random(),
      nowMs: deps.clock.now(),
    };
  }

  /** What is missing counts as the status that we would put in its place. */
  function endWithout(leg: Leg, error: unknown): Ending {
    const { deadline, journey, route } = leg;
    const hasExpired = deadline.hasExpired();
    deadline.arm(0);
    if (hasExpired) return { result: fail({ code: "timeout" }), mayMoveOn: countsAs(leg, 504) };
    if (journey.call.request.signal.aborted) return cancelled;
    if (isConnectFault(error)) return { result: fail({ code: "bad_gateway" }), mayMoveOn: true };
    deps.onFault(route.provider.name, journey.call.requestId, error);
    return { result: fail({ code: "bad_gateway" }), mayMoveOn: countsAs(leg, 502) };
  }
}

const cancelled: Ending = { result: fail({ code: "client_cancelled" }), mayMoveOn: false };

function countsAs({ route }: Leg, status: number): boolean {
  return route.provider.retry.onStatus.includes(status);
}

/** What a request tells of the host, however many attempts it took; a client's own fault tells nothing bad. */
function healthOf(result: Result<Reply, Refusal>): Health {
  if (result.ok) return [502, 503, 504].includes(result.value.upstream.status) ? "bad" : "good";
  return result.error.code === "client_cancelled" ? "unknown" : "bad";
}
