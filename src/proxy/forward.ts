import type { KeyCache, KeyRing, OpenKey } from "../cache/key-cache.ts";
import type { Clock } from "../clock.ts";
import { fail, ok, type Result } from "../result.ts";
import { callProvider, discard, isConnectFault, isLimited, startTimes } from "./attempt.ts";
import type { Breaker, Health } from "./breaker.ts";
import type { Body, Call, Deadline, Hold, Permit, Reply } from "./call.ts";
import { createDeadline, pause } from "./deadline.ts";
import type { KeyPool } from "./key-pool.ts";
import type { Refusal } from "./refuse.ts";
import { judgeAnswer, judgeNoConnection, type Standing, type Verdict } from "./retry.ts";
import type { RetryBudget } from "./retry-budget.ts";

interface ForwardDeps {
  readonly keys: KeyCache;
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

/** One request on its way, from attempt to attempt. */
interface Journey {
  readonly call: Call;
  readonly permit: Permit;
  readonly body: Body;
  readonly hold: Hold;
  readonly ring: KeyRing;
  readonly deadline: Deadline;
  readonly tried: Set<string>;
  attempts: number;
  /** Those of the attempts that the policy allowed; moves to another key are not among them. */
  repeats: number;
  /** Whether an answer has come, be it one that was not handed on. */
  wasAnswered: boolean;
}

/**
 * Step 5: calls the provider until its answer is one to hand on, whatever its status. Attempts are repeated only
 * before a byte has gone to the client, with a body that can be sent again, and where `retry.ts` says so; redirects
 * are not followed.
 */
export function createForward(deps: ForwardDeps) {
  return async (call: Call, permit: Permit, body: Body, hold: Hold): Promise<Result<Reply, Refusal>> => {
    const { provider, grant } = permit;
    const refuse = async (refusal: Refusal) => {
      await hold.release();
      return fail(refusal);
    };
    const ring = permit.ring ?? (await deps.keys.find(grant.project.id, provider.name));
    if (ring.keys.length === 0 && provider.auth.scheme !== "none")
      return refuse({ code: "upstream_auth_error" });
    if (call.request.signal.aborted) return refuse({ code: "client_cancelled" });
    const leave = deps.breaker.ask(provider.origin);
    if (!leave.ok) return refuse({ code: "circuit_open", retryAfterMs: leave.error });

    deps.budget.deposit(provider.origin);
    const deadline = createDeadline(call.request.signal, isLimited(provider));
    const counts = { attempts: 0, repeats: 0, wasAnswered: false };
    const reply = await travel({ call, permit, body, hold, ring, deadline, tried: new Set(), ...counts });
    leave.value.tell(healthOf(reply));
    return reply;
  };

  /** From attempt to attempt, until there is something to hand on. */
  async function travel(journey: Journey): Promise<Result<Reply, Refusal>> {
    const { call, permit, body, ring, deadline, tried } = journey;
    for (;;) {
      const key = deps.pool.choose(ring, { body, tokenId: permit.grant.token.id, tried });
      if (key !== undefined) tried.add(key.id);
      journey.attempts++;
      const times = startTimes(deps.clock, call);
      const answer = await callProvider({ call, permit, body, key, deadline, version: deps.version });
      const verdict = answer.ok ? judge(journey, answer.value, key) : judgeFault(journey, answer.error);
      if (verdict.do === "hand_on") {
        if (!answer.ok) return fail(await wordFault(journey, answer.error));
        const retries = journey.attempts - 1;
        return ok({ ...times(), upstream: answer.value, keyId: key?.id ?? "", deadline, retries });
      }
      if (answer.ok) {
        journey.wasAnswered = true;
        discard(answer.value);
      }
      deps.onRetry(permit.provider.name);
      deadline.arm(0);
      if (verdict.do === "again") {
        tried.clear();
        journey.repeats++;
        await pause(verdict.delayMs, deadline.signal);
      }
    }
  }

  function judge(journey: Journey, upstream: Response, key: OpenKey | undefined): Verdict {
    if (upstream.status < 400) return { do: "hand_on" };
    const verdict = judgeAnswer(upstream, standingOf(journey));
    if (verdict.do !== "again" && verdict.restMs !== undefined && key !== undefined) {
      deps.pool.rest(key, verdict.restMs);
      deps.onKeyRest(journey.permit.provider.name, key.id, upstream.status, verdict.restMs);
    }
    return withinBudget(journey, verdict);
  }

  function judgeFault(journey: Journey, error: unknown): Verdict {
    const { deadline, permit, call } = journey;
    if (deadline.signal.aborted || !isConnectFault(error)) return { do: "hand_on" };
    deps.onFault(permit.provider.name, call.requestId, error);
    return withinBudget(journey, judgeNoConnection(standingOf(journey)));
  }

  /** Another key is tried whatever the budget: the pool is small, and the refused key rests. */
  function withinBudget({ permit }: Journey, verdict: Verdict): Verdict {
    if (verdict.do !== "again" || deps.budget.withdraw(permit.provider.origin)) return verdict;
    return { do: "hand_on" };
  }

  function standingOf({ repeats, body, ring, tried, permit }: Journey): Standing {
    return {
      attempts: repeats + 1,
      canRepeat: body.kind !== "streamed",
      hasOtherKey: deps.pool.hasOther(ring, tried),
      policy: permit.provider.retry,
      random: deps.random(),
      nowMs: deps.clock.now(),
    };
  }

  async function wordFault(journey: Journey, error: unknown): Promise<Refusal> {
    const { deadline, call, permit, hold, wasAnswered } = journey;
    const hasExpired = deadline.hasExpired();
    deadline.arm(0);
    if (hasExpired) return { code: "timeout" };
    if (call.request.signal.aborted) return { code: "client_cancelled" };
    // Only where no connection came about is it certain that the provider has seen nothing.
    if (!isConnectFault(error)) deps.onFault(permit.provider.name, call.requestId, error);
    else if (!wasAnswered) await hold.release();
    return { code: "bad_gateway" };
  }
}

/** What a request tells of the host, however many attempts it took; a client's own fault tells nothing bad. */
function healthOf(reply: Result<Reply, Refusal>): Health {
  if (reply.ok) return [502, 503, 504].includes(reply.value.upstream.status) ? "bad" : "good";
  return reply.error.code === "client_cancelled" ? "unknown" : "bad";
}
