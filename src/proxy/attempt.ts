import type { OpenKey } from "../cache/key-cache.ts";
import type { Clock } from "../clock.ts";
import type { Provider } from "../provider/provider.ts";
import { fail, ok, type Result } from "../result.ts";
import type { Body, Call, Deadline, Permit, Times } from "./call.ts";
import { type Egress, locateUntil, type Target } from "./egress.ts";
import { EgressFault } from "./egress-fault.ts";
import { upstreamHeaders, upstreamQuery } from "./headers.ts";
import type { Refusal, RefusalCode } from "./refuse.ts";
import { upstreamPath } from "./upstream-url.ts";

/** What one call to a provider is made of. */
export interface Attempt {
  readonly call: Call;
  readonly permit: Permit;
  readonly body: Body;
  readonly key: OpenKey | undefined;
  readonly deadline: Deadline;
  /** Longest whole answer that is not streamed, as far as there is time left; 0: no limit. */
  readonly limitMs: number;
  readonly version: string;
  readonly egress: Egress;
}

/** Calls the provider once. Its answer is given whatever its status; redirects are not followed. */
export async function callProvider(attempt: Attempt): Promise<Result<Response, unknown>> {
  const { deadline, egress, limitMs } = attempt;
  const { provider } = attempt.permit;
  deadline.arm(firstLimit(provider, limitMs));
  const located = await locateUntil(deadline.signal, egress.locate(provider, true));
  if (!located.ok) return located;
  try {
    return await send(attempt, located.value);
  } catch (error) {
    // A deadline that has passed without an answer may mean that nobody is there.
    if (isConnectFault(error) || deadline.hasExpired()) egress.lost(provider, located.value);
    return fail(error);
  }
}

async function send(attempt: Attempt, target: Target): Promise<Result<Response, unknown>> {
  const { call, permit, body, key, deadline, egress, version } = attempt;
  const { provider } = permit;
  const path = upstreamPath(provider, permit.path, upstreamQuery(call.query, provider, key));
  if (path === undefined) return fail(new EgressFault("outside_base", "the path leads out of base_url"));
  const headers = upstreamHeaders(call, provider, key, version);
  if (target.host !== undefined) headers.set("host", target.host);
  // A body that some servers send after the head of HEAD would be taken for the next answer, maybe another caller's.
  const isKept = call.request.method !== "HEAD" && !egress.idle.isDue(target);
  const upstream = await fetch(target.origin + path, {
    method: call.request.method,
    headers,
    body: bodyOf(body),
    redirect: "manual",
    decompress: false,
    // The runtime's own limit is off: a reasoning model may be silent for long.
    timeout: false,
    signal: deadline.signal,
    keepalive: isKept,
    ...(target.tls && { tls: target.tls }),
    // HTTP_PROXY and HTTPS_PROXY hold for providers outside; the runtime would take them for this machine too.
    ...(target.isDirect && { proxy: false }),
  } as RequestInit);
  if (isKept) deadline.atStop(() => egress.idle.ended(target, upstream.headers));
  const fault = faultOf(upstream);
  if (fault === undefined) return ok(upstream);
  discard(upstream);
  return fail(new Error(`the provider answered with ${fault}`));
}

/** Starts to time a call; what it gives tells the times when the answer is there. Durations are monotonic (OPS-109). */
export function startTimes(clock: Clock, call: Call): () => Times {
  const sentAtMs = clock.now();
  return () => {
    const answeredMs = clock.monotonic();
    return { sentAtMs, answeredAtMs: clock.now(), ttfbMs: answeredMs - call.startedMs };
  };
}

/** Gives up an answer that nobody will read, and its connection. */
export function discard(upstream: Response): void {
  upstream.body?.cancel().catch(() => {}); // it may have broken by itself already
}

/**
 * Why an answer cannot be handed on: its status is none (RFC 9110, 15; an informational one never comes here), or two
 * readers could find two ends of its body (RFC 9112, 6.3).
 */
function faultOf({ status, headers }: Response): string | undefined {
  if (status < 200 || status > 599) return `${status}, which is no status of HTTP`;
  const coding = headers.get("transfer-encoding") ?? "chunked";
  if (coding.toLowerCase() !== "chunked") return "a transfer coding other than chunked";
  const isTwofold = headers.has("transfer-encoding") && headers.has("content-length");
  return isTwofold ? "Transfer-Encoding and Content-Length together" : undefined;
}

function bodyOf(body: Body) {
  if (body.kind === "none") return null;
  return body.kind === "held" ? body.bytes : body.stream;
}

/** Whether any of its limits is set. */
export function isLimited({ timeouts }: Provider): boolean {
  return Object.values(timeouts).some((ms) => ms > 0);
}

/** Until the answer's headers: the tighter of both limits that there are. */
export function firstLimit({ timeouts }: Provider, requestMs: number): number {
  const limits = [requestMs, timeouts.responseHeaderMs].filter((ms) => ms > 0);
  return limits.length === 0 ? 0 : Math.min(...limits);
}

const connectFaults = new Set(["ConnectionRefused", "FailedToOpenSocket", "ECONNREFUSED", "ENOTFOUND"]);

/** Whether no connection came about at all, so that another try may do better. */
export function isConnectFault(error: unknown): boolean {
  if (error instanceof EgressFault) return error.code === "unreachable";
  return error instanceof Error && "code" in error && connectFaults.has(String(error.code));
}

/** Whether it is certain that the provider has seen nothing of the request. */
export function isUnsent(error: unknown): boolean {
  return error instanceof EgressFault || isConnectFault(error);
}

const egressRefusals = {
  unreachable: "bad_gateway",
  silent: "timeout",
  address_refused: "egress_blocked",
  outside_base: "invalid_path",
} as const;

/** Refusals that tell nothing of whether the provider is well. */
export const unknownHealth: ReadonlySet<RefusalCode> = new Set([
  "client_cancelled",
  "request_timeout",
  "egress_blocked",
  "invalid_path",
]);

/** What a call that brought no answer is for the caller. */
export function refusalOf(error: unknown): Refusal {
  return { code: error instanceof EgressFault ? egressRefusals[error.code] : "bad_gateway" };
}
