import type { Audit } from "../audit/service.ts";
import type { Grant } from "../cache/grant-cache.ts";
import type { Clock } from "../clock.ts";
import type { Logger } from "../logging/logger.ts";
import { redact } from "../logging/redact.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { Provider } from "../provider/provider.ts";
import { type Outcome, type UsageRecord, unmetered } from "../usage/record.ts";
import type { Arrival, Body, Hold, Permit, Reply } from "./call.ts";
import { type Refusal, wordings } from "./refuse.ts";
import type { End } from "./relay.ts";

/** What is known of a request when it ends, however far it came. */
export interface Trace {
  readonly arrival: Arrival;
  grant?: Grant;
  provider?: Provider | undefined;
  permit?: Permit;
  body?: Body;
  hold?: Hold;
  reply?: Reply;
  isStream?: boolean;
  refusal?: Refusal;
  end?: End;
}

interface EmitDeps {
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly audit: Audit;
  readonly clock: Clock;
  /** Buffers the row; `countToken` where the token has no limit that has counted it already. */
  readonly usage: { append(record: UsageRecord, countToken: boolean): void };
}

const pathCharsMax = 500;
/** Refused credentials are audited at most once per this and address: a scan must not fill the trail. */
const auditEveryMs = 1000;
const auditedAddressesMax = 1000;

/** A token that stands in a path by mistake must not get into the books. */
function shownPath(path: string): string {
  return redact(path.slice(0, pathCharsMax));
}

/** What is told of each request to the log, the books and the metrics. Never waits and never throws. */
export interface Emit {
  started(arrival: Arrival): void;
  streamStarted(): void;
  /** Step 7, once for each that was started: refusals too. */
  ended(trace: Trace): void;
  /** A preflight was answered; it is no request to a provider. */
  preflight(): void;
}

/** One log line at each end, one usage record, the metrics. */
export function createEmit(deps: EmitDeps): Emit {
  const audited = new Map<string, number>();

  /** Whether this address' refusal is due for the trail again. */
  function isAuditDue(address: string): boolean {
    const nowMs = deps.clock.monotonic();
    const lastMs = audited.get(address);
    if (lastMs !== undefined && nowMs - lastMs < auditEveryMs) return false;
    if (audited.size >= auditedAddressesMax) audited.clear();
    audited.set(address, nowMs);
    return true;
  }

  function auditRefusal(trace: Trace, code: Refusal["code"]): void {
    const { arrival, grant } = trace;
    const caller = {
      actor: "anonymous" as const,
      requestId: arrival.requestId,
      correlationId: arrival.correlationId,
      clientIp: arrival.clientIp,
      method: arrival.request.method,
      path: shownPath(arrival.path),
      userAgent: (arrival.request.headers.get("user-agent") ?? "").slice(0, pathCharsMax),
    };
    const facts = {
      reason: code,
      ...(grant && { projectId: grant.project.id, tokenId: grant.token.id }),
    };
    if (code === "project_inactive") deps.audit.record("proxy_request", "denied", caller, facts);
    else if (code === "service_unavailable") deps.audit.record("proxy_request", "error", caller, facts);
    else if (wordings[code].status === 401 && isAuditDue(arrival.clientIp))
      deps.audit.record("token.validate", "denied", caller, facts);
  }

  return {
    started(arrival) {
      deps.metrics.requestStarted();
      // At "info" the line at the end says all of it; this one is for finding what never ends.
      deps.logger.debug("request started", {
        request_id: arrival.requestId,
        correlation_id: arrival.correlationId,
        ...callerFields(arrival),
        path: shownPath(arrival.path),
      });
    },
    streamStarted: () => deps.metrics.streamStarted(),
    preflight: () => deps.metrics.managementEnded(204),
    ended(trace) {
      const record = toRecord(trace, deps.clock.monotonic());
      deps.metrics.requestEnded(record);
      const instead = insteadOf(trace);
      if (instead !== undefined) deps.metrics.fellBack(instead, record.provider);
      if (trace.grant !== undefined) {
        const wasForwarded = trace.hold?.isReleased() === false;
        deps.usage.append(record, wasForwarded && trace.grant.token.limits.maxRequests === null);
      }
      if (trace.refusal !== undefined) auditRefusal(trace, trace.refusal.code);
      logEnd(deps.logger, trace, record);
    },
  };
}

function callerFields({ clientIp, peerIp, request }: Arrival) {
  return {
    client_ip: clientIp,
    ...(peerIp !== undefined && { peer_ip: peerIp }),
    method: request.method,
    user_agent: (request.headers.get("user-agent") ?? "").slice(0, pathCharsMax),
  };
}

/** The provider that was asked for, where another one gave the answer. */
function insteadOf({ reply, permit }: Trace): string | undefined {
  return reply?.isFallback ? permit?.provider.name : undefined;
}

function logEnd(logger: Logger, trace: Trace, record: UsageRecord): void {
  const { arrival } = trace;
  const instead = insteadOf(trace);
  const fields = {
    request_id: record.requestId,
    correlation_id: arrival.correlationId,
    ...callerFields(arrival),
    path: record.path,
    status_code: record.status,
    duration_ms: Math.round(record.durationMs),
    project_id: record.projectId,
    token_id: record.tokenId,
    provider: record.provider,
    ...(instead !== undefined && { fallback_for: instead }),
    outcome: record.outcome,
    ...(record.ttfbMs !== null && { ttfb_ms: Math.round(record.ttfbMs) }),
    ...(record.errorCode !== "" && { error_code: record.errorCode }),
  };
  if (record.status >= 500) logger.error("request completed with server error", fields);
  else logger.info("request completed", fields);
}

function toRecord(trace: Trace, nowMs: number): UsageRecord {
  const { arrival, grant, permit, body, reply, refusal, end } = trace;
  const length = end?.requestBytes ?? Number(arrival.request.headers.get("content-length") ?? 0);
  return {
    requestId: arrival.requestId,
    atMs: arrival.atMs,
    projectId: grant?.project.id ?? "",
    tokenId: grant?.token.id ?? "",
    provider: trace.provider?.name ?? "",
    keyId: reply?.keyId ?? "",
    method: arrival.request.method,
    path: shownPath(permit?.path ?? arrival.path),
    status: refusal ? wordings[refusal.code].status : (reply?.upstream.status ?? 500),
    outcome: end?.outcome ?? outcomeOf(refusal),
    errorCode: refusal?.code ?? end?.errorCode ?? "",
    isStream: trace.isStream ?? false,
    durationMs: nowMs - arrival.startedMs,
    ttfbMs: reply?.ttfbMs ?? null,
    requestBytes: body?.kind === "held" ? body.bytes.byteLength : Number.isSafeInteger(length) ? length : 0,
    responseBytes: end?.bytes ?? 0,
    ...unmetered,
  };
}

function outcomeOf(refusal: Refusal | undefined): Outcome {
  switch (refusal?.code) {
    case "client_cancelled":
      return "client_cancelled";
    case "timeout":
      return "upstream_timeout";
    case "bad_gateway":
      return "upstream_error";
    default:
      return "refused";
  }
}
