import type { KeyRing, OpenKey } from "../cache/key-cache.ts";
import type { Clock } from "../clock.ts";
import type { ProviderTimeouts } from "../provider/provider.ts";
import { fail, ok, type Result } from "../result.ts";
import {
  type Attempt,
  discard,
  isConnectFault,
  isLimited,
  isUnsent,
  refusalOf,
  startTimes,
  unknownHealth,
} from "./attempt.ts";
import type { Breaker, Health } from "./breaker.ts";
import type { Body, Call, Deadline, Permit, Reply, Times } from "./call.ts";
import { createDeadline, pause } from "./deadline.ts";
import type { Egress } from "./egress.ts";
import type { KeyPool } from "./key-pool.ts";
import type { Refusal } from "./refuse.ts";
import { judgeAnswer, judgeNoConnection, type Standing, type Verdict } from "./retry.ts";
import type { RetryBudget } from "./retry-budget.ts";
import { UploadStalled } from "./upload.ts";

/** What the attempts at one provider need. */
export interface LegDeps {
  readonly pool: KeyPool;
  readonly budget: RetryBudget;
  readonly breaker: Breaker;
  readonly egress: Egress;
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
  /** How an attempt is made. */
  readonly send: (attempt: Attempt) => Promise<Result<Response, unknown>>;
  /** Monotonic: until when there must be an answer, a whole one if it is no stream; infinite where nothing says so. */
  readonly endsAtMs: number;
  /** The same for all of it, a stream included. */
  readonly totalEndsAtMs: number;
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

/** One attempt, with what it brought. */
interface Attempted {
  readonly key: OpenKey | undefined;
  readonly answer: Result<Response, unknown>;
  readonly times: () => Times;
}

/**
 * Calls one provider until there is something to hand on, whatever its status. Attempts are repeated only before a
 * byte has gone to the client, with a body that can be sent again, and where `retry.ts` says so.
 */
export function createTravel(deps: LegDeps) {
  const judge = createJudge(deps);

  return async (journey: Journey, route: Route): Promise<Ending> => {
    const { origin, timeouts } = route.provider;
    const leave = deps.breaker.ask(origin);
    if (!leave.ok)
      return { result: fail({ code: "circuit_open", retryAfterMs: leave.error }), mayMoveOn: true };
    deps.budget.deposit(origin);
    const own = endsOf(timeouts, deps.clock);
    const endsAtMs = Math.min(journey.endsAtMs, own.endsAtMs);
    const totalEndsAtMs = Math.min(journey.totalEndsAtMs, own.totalEndsAtMs);
    const hasLimit = isLimited(route.provider) || endsAtMs < Infinity;
    const { signal } = journey.call.request;
    const deadline = createDeadline(signal, hasLimit, untilMs(totalEndsAtMs, deps.clock));
    const ending = await attempts({ journey, route, endsAtMs, deadline, tried: new Set(), repeats: 0 });
    leave.value.tell(healthOf(ending.result));
    return ending;
  };

  async function attempts(leg: Leg): Promise<Ending> {
    const { deadline, route, journey } = leg;
    for (;;) {
      if (journey.call.request.signal.aborted) return cancelled;
      const attempted = await attempt(leg);
      const verdict = judge(leg, attempted);
      if (verdict.do === "hand_on") return endingOf(leg, attempted);
      if (attempted.answer.ok) discard(attempted.answer.value);
      deps.onRetry(route.provider.name);
      deadline.arm(0);
      if (verdict.do === "again") {
        leg.tried.clear();
        leg.repeats++;
        await pause(verdict.delayMs, deadline.signal);
      }
    }
  }

  async function attempt(leg: Leg): Promise<Attempted> {
    const { journey, route, deadline, tried } = leg;
    const { call, body } = journey;
    const key = deps.pool.choose(route.ring, { body, tokenId: route.grant.token.id, tried });
    if (key !== undefined) tried.add(key.id);
    journey.attempts++;
    const times = startTimes(deps.clock, call);
    const { egress, version } = deps;
    const what = { call, permit: route, body, key, deadline, egress, version };
    const answer = await journey.send({ ...what, limitMs: untilMs(leg.endsAtMs, deps.clock) });
    if (answer.ok || !isUnsent(answer.error)) journey.wasReached = true;
    return { key, answer, times };
  }

  function endingOf(leg: Leg, { key, answer, times }: Attempted): Ending {
    const { journey, route, deadline } = leg;
    const hasExpired = deadline.hasExpired();
    deadline.arm(0); // the relay starts it anew; until then the answer may have to wait for that of a fallback
    if (!answer.ok) return endWithout(leg, answer.error, hasExpired);
    const { provider } = route;
    const reply = {
      ...times(),
      provider,
      isFallback: provider !== journey.permit.provider,
      upstream: answer.value,
      keyId: key?.id ?? "",
      deadline,
      requestLeftMs: untilMs(leg.endsAtMs, deps.clock),
      retries: journey.attempts - 1,
    };
    return { result: ok(reply), mayMoveOn: countsAs(route, answer.value.status) };
  }

  /** What is missing counts as the status that we would put in its place. */
  function endWithout({ journey, route, deadline }: Leg, error: unknown, hasExpired: boolean): Ending {
    deadline.stop();
    if (hasExpired) return { result: fail({ code: "timeout" }), mayMoveOn: countsAs(route, 504) };
    if (journey.call.request.signal.aborted) return cancelled;
    if (error instanceof UploadStalled) return stalled;
    if (isConnectFault(error)) return { result: fail({ code: "bad_gateway" }), mayMoveOn: true };
    deps.onFault(route.provider.name, journey.call.requestId, error);
    return { result: fail(refusalOf(error)), mayMoveOn: isUnsent(error) || countsAs(route, 502) };
  }
}

/** What to do after an attempt; sets a refused key aside. */
function createJudge(deps: LegDeps) {
  return (leg: Leg, { answer, key }: Attempted): Verdict =>
    withinBounds(leg, answer.ok ? onAnswer(leg, answer.value, key) : onFault(leg, answer.error));

  function onAnswer(leg: Leg, upstream: Response, key: OpenKey | undefined): Verdict {
    if (upstream.status < 400) return { do: "hand_on" };
    const verdict = judgeAnswer(upstream, standingOf(leg));
    if (verdict.do !== "again" && verdict.restMs !== undefined && key !== undefined) {
      deps.pool.rest(key, verdict.restMs, upstream.status);
      deps.onKeyRest(leg.route.provider.name, key.id, upstream.status, verdict.restMs);
    }
    return verdict;
  }

  function onFault(leg: Leg, error: unknown): Verdict {
    if (leg.deadline.signal.aborted || !isConnectFault(error)) return { do: "hand_on" };
    deps.onFault(leg.route.provider.name, leg.journey.call.requestId, error);
    return judgeNoConnection(standingOf(leg));
  }

  /** Another key is tried whatever the budget: the pool is small, and the refused key rests. */
  function withinBounds({ endsAtMs, route }: Leg, verdict: Verdict): Verdict {
    if (verdict.do !== "again") return verdict;
    const isInTime = deps.clock.monotonic() + verdict.delayMs < endsAtMs;
    return isInTime && deps.budget.withdraw(route.provider.origin) ? verdict : { do: "hand_on" };
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
}

/** When what begins now must be over, by the limits of a provider. */
export function endsOf({ requestMs, totalMs }: ProviderTimeouts, clock: Clock) {
  const totalEndsAtMs = clock.monotonic() + (totalMs || Infinity);
  return { endsAtMs: Math.min(clock.monotonic() + (requestMs || Infinity), totalEndsAtMs), totalEndsAtMs };
}

/** As a limit: at least 1; 0 is none. */
function untilMs(atMs: number, clock: Clock): number {
  return atMs === Infinity ? 0 : Math.max(1, atMs - clock.monotonic());
}

const cancelled: Ending = { result: fail({ code: "client_cancelled" }), mayMoveOn: false };
const stalled: Ending = { result: fail({ code: "request_timeout" }), mayMoveOn: false };

function countsAs({ provider }: Route, status: number): boolean {
  return provider.retry.onStatus.includes(status);
}

/** What a request tells of the host, however many attempts it took; a client's own fault tells nothing bad. */
function healthOf(result: Result<Reply, Refusal>): Health {
  if (result.ok) return [502, 503, 504].includes(result.value.upstream.status) ? "bad" : "good";
  return unknownHealth.has(result.error.code) ? "unknown" : "bad";
}
