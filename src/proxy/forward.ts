import type { KeyCache, KeyRing, OpenKey } from "../cache/key-cache.ts";
import type { Clock } from "../clock.ts";
import { joinPath } from "../project/policy.ts";
import type { Provider } from "../provider/provider.ts";
import { fail, ok, type Result } from "../result.ts";
import type { Breaker, Health } from "./breaker.ts";
import type { Body, Call, Deadline, Hold, Permit, Reply } from "./call.ts";
import { createDeadline, pause } from "./deadline.ts";
import { upstreamHeaders, upstreamQuery } from "./headers.ts";
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
    const ring = permit.ring ?? (await deps.keys.find(grant.project.id, provider.name));
    if (ring.keys.length === 0 && provider.auth.scheme !== "none") {
      await hold.release();
      return fail({ code: "upstream_auth_error" });
    }
    const deadline = createDeadline(call.request.signal, isLimited(provider));
    const counts = { attempts: 0, repeats: 0, wasAnswered: false };
    const journey: Journey = { call, permit, body, hold, ring, deadline, tried: new Set(), ...counts };
    deps.budget.deposit(provider.origin);
    for (;;) {
      const { tried } = journey;
      const openMs = deps.breaker.ask(provider.origin);
      if (openMs !== undefined) {
        if (!journey.wasAnswered) await hold.release();
        return fail({ code: "circuit_open", retryAfterMs: openMs });
      }
      const key = deps.pool.choose(ring, { body, tokenId: grant.token.id, tried });
      const attempt = await attemptOnce(journey, key);
      deps.breaker.tell(provider.origin, healthOf(journey, attempt));
      const verdict = attempt.ok
        ? judge(journey, attempt.value.upstream, key)
        : judgeFault(journey, attempt.error);
      if (verdict.do === "hand_on")
        return attempt.ok ? attempt : fail(await wordFault(journey, attempt.error));
      if (attempt.ok) {
        journey.wasAnswered = true;
        discard(attempt.value.upstream);
      }
      deps.onRetry(provider.name);
      deadline.arm(0);
      if (verdict.do === "again") {
        tried.clear();
        journey.repeats++;
        await pause(verdict.delayMs, deadline.signal);
      }
    }
  };

  async function attemptOnce(journey: Journey, key: OpenKey | undefined): Promise<Result<Reply, unknown>> {
    const { call, permit, body, deadline } = journey;
    const { provider } = permit;
    journey.attempts++;
    if (key !== undefined) journey.tried.add(key.id);
    deadline.arm(firstLimit(provider));
    const sentAtMs = deps.clock.now();
    try {
      const upstream = await fetch(
        provider.origin + joinPath(provider.basePath, permit.path) + upstreamQuery(call.query, provider, key),
        {
          method: call.request.method,
          headers: upstreamHeaders(call, provider, key, deps.version),
          body: bodyOf(body),
          redirect: "manual",
          decompress: false,
          // The runtime's own limit is off: a reasoning model may be silent for long.
          timeout: false,
          signal: deadline.signal,
          // HTTP_PROXY and HTTPS_PROXY hold for providers outside; the runtime would take them for this machine too.
          ...(thisMachine.test(provider.origin) && { proxy: false }),
        } as RequestInit,
      );
      if (!isStatus(upstream.status)) {
        discard(upstream);
        return fail(new Error(`the provider answered with ${upstream.status}, which is no status of HTTP`));
      }
      const answeredAtMs = deps.clock.now();
      const retries = journey.attempts - 1;
      return ok({ upstream, keyId: key?.id ?? "", sentAtMs, answeredAtMs, deadline, retries });
    } catch (error) {
      return fail(error);
    }
  }

  function judge(journey: Journey, upstream: Response, key: OpenKey | undefined): Verdict {
    if (upstream.status < 400) return { do: "hand_on" };
    const verdict = judgeAnswer(upstream, standingOf(journey));
    if (verdict.do === "other_key" && key !== undefined) {
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

/** What an attempt tells of the host; a client's own fault, and its going away, tell nothing bad. */
function healthOf({ deadline, call }: Journey, attempt: Result<Reply, unknown>): Health {
  if (attempt.ok) return [502, 503, 504].includes(attempt.value.upstream.status) ? "bad" : "good";
  return call.request.signal.aborted && !deadline.hasExpired() ? "unknown" : "bad";
}

/** An answer that nobody will read; its connection is given up. */
function discard(upstream: Response): void {
  upstream.body?.cancel().catch(() => {}); // it may have broken by itself already
}

/** RFC 9110, 15; others cannot be handed on. An informational one never comes here. */
function isStatus(status: number): boolean {
  return status >= 200 && status <= 599;
}

const thisMachine = /^https?:\/\/(localhost|127\.[\d.]+|\[::1\])(:|$)/;

function bodyOf(body: Body) {
  if (body.kind === "none") return null;
  return body.kind === "held" ? body.bytes : body.stream;
}

function isLimited({ timeouts }: Provider): boolean {
  return timeouts.requestMs > 0 || timeouts.responseHeaderMs > 0 || timeouts.streamIdleMs > 0;
}

/** Until the answer's headers: the tighter of both limits that there are. */
function firstLimit({ timeouts }: Provider): number {
  const limits = [timeouts.requestMs, timeouts.responseHeaderMs].filter((ms) => ms > 0);
  return limits.length === 0 ? 0 : Math.min(...limits);
}

const connectFaults = new Set(["ConnectionRefused", "FailedToOpenSocket", "ECONNREFUSED", "ENOTFOUND"]);

function isConnectFault(error: unknown): boolean {
  return error instanceof Error && "code" in error && connectFaults.has(String(error.code));
}
