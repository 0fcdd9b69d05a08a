import type { KeyCache } from "../cache/key-cache.ts";
import type { Clock } from "../clock.ts";
import { joinPath } from "../project/policy.ts";
import type { Provider } from "../provider/provider.ts";
import { fail, ok, type Result } from "../result.ts";
import type { Body, Call, Deadline, Hold, Permit, Reply } from "./call.ts";
import { createDeadline } from "./deadline.ts";
import { upstreamHeaders, upstreamQuery } from "./headers.ts";
import { chooseKey } from "./key-pool.ts";
import type { Refusal } from "./refuse.ts";

interface ForwardDeps {
  readonly keys: KeyCache;
  readonly clock: Clock;
  readonly version: string;
  /** Told why a provider could not be reached; the text may come from outside. */
  readonly onFault: (provider: string, requestId: string, error: unknown) => void;
}

/** Step 5: calls the provider, once. Its answer is handed on whatever its status; redirects are not followed. */
export function createForward(deps: ForwardDeps) {
  return async (call: Call, permit: Permit, body: Body, hold: Hold): Promise<Result<Reply, Refusal>> => {
    const { provider, grant } = permit;
    const ring = permit.ring ?? (await deps.keys.find(grant.project.id, provider.name));
    const key = chooseKey(ring, body, grant.token.id);
    if (key === undefined && provider.auth.scheme !== "none") {
      await hold.release();
      return fail({ code: "upstream_auth_error" });
    }
    const deadline = createDeadline(call.request.signal, isLimited(provider));
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
      return ok({
        upstream,
        keyId: key?.id ?? "",
        sentAtMs,
        answeredAtMs: deps.clock.now(),
        deadline,
      });
    } catch (error) {
      return fail(await wordFault(error, { call, provider, hold, deadline }));
    }
  };

  async function wordFault(
    error: unknown,
    at: { call: Call; provider: Provider; hold: Hold; deadline: Deadline },
  ): Promise<Refusal> {
    const hasExpired = at.deadline.hasExpired();
    at.deadline.arm(0);
    if (hasExpired) return { code: "timeout" };
    if (at.call.request.signal.aborted) return { code: "client_cancelled" };
    deps.onFault(at.provider.name, at.call.requestId, error);
    // Only where no connection came about is it certain that the provider has seen nothing.
    if (isConnectFault(error)) await at.hold.release();
    return { code: "bad_gateway" };
  }
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
