import type { Audit } from "../audit/service.ts";
import type { Clock } from "../clock.ts";
import type { Settlement } from "../limit/ledger.ts";
import type { Logger } from "../logging/logger.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { formatUsd } from "../usage/money.ts";
import { costOf } from "../usage/price.ts";
import type { Pricing } from "../usage/price-table.ts";
import type { Metered, UsageRecord } from "../usage/record.ts";
import type { Usage } from "../usage/usage.ts";
import { accountOf, type Judged, judge, withEstimate } from "./account.ts";
import type { Arrival } from "./call.ts";
import type { Estimate } from "./estimate.ts";
import type { Metering } from "./meter.ts";
import { type Refusal, wordings } from "./refuse.ts";
import { shownPath } from "./shown-path.ts";
import type { Trace } from "./trace.ts";

type Unpriced = Omit<UsageRecord, "costNanoUsd">;

interface EmitDeps {
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly estimate: Estimate;
  readonly ledger: { settle(settlement: Settlement): void };
  readonly pricing: Pick<Pricing, "priceOf">;
}

const pathCharsMax = 500;
/** Refused credentials are audited at most once per this and address: a scan must not fill the trail. */
const auditEveryMs = 1000;
const auditedAddressesMax = 1000;

/** What is told of each request to the log, the books and the metrics. Nothing waits for it, and it never throws. */
export interface Emit {
  started(arrival: Arrival): void;
  streamStarted(): void;
  /** Step 7, once for each that was started: refusals too. */
  ended(trace: Trace): void;
  /** A preflight was answered; it is no request to a provider. */
  preflight(): void;
  /** Resolves when all that has ended is told, estimates included. */
  settled(): Promise<void>;
}

/** One log line at each end, one usage record, the metrics. */
export function createEmit(deps: EmitDeps): Emit {
  const audited = new Map<string, number>();
  const pending = new Set<Promise<void>>();

  function whenDone(work: Promise<void>): void {
    pending.add(work);
    void work.finally(() => pending.delete(work));
  }

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

  function costOfRecord({ usage, model, ttfbMs }: Unpriced): bigint | null {
    // Whoever left before the answer knows nothing of what it took.
    const isBlind = usage?.source === "estimated" && ttfbMs === null;
    return usage === null || isBlind ? null : costOf(usage, deps.pricing.priceOf(model)).costNanoUsd;
  }

  function tell(trace: Trace, metering: Metering | undefined, endedMs: number): void {
    const { metered, sample } = accountOf(trace, metering);
    const record = { ...toRecord(trace, endedMs), ...judge(trace, metering), ...metered };
    const refusedAs = trace.refusal?.code ?? (record.outcome === "refused" ? record.errorCode : "");
    deps.metrics.requestEnded({ ...record, errorCode: refusedAs });
    const instead = insteadOf(trace);
    if (instead !== undefined) deps.metrics.fellBack(instead, record.provider);
    if (trace.refusal !== undefined) auditRefusal(trace, trace.refusal.code);
    if (metering !== undefined && metering.fault !== "")
      deps.logger.debug("an answer could not be read for what it used", {
        request_id: record.requestId,
        reason: metering.fault,
      });
    const enter = (counted: Unpriced) => {
      const whole = { ...counted, costNanoUsd: costOfRecord(counted) };
      const { entryId = null, isReleased } = trace.hold ?? {};
      trace.place?.use(tokensOf(whole.usage), deps.clock.monotonic());
      if (trace.grant !== undefined)
        deps.ledger.settle({ record: whole, entryId, isRefunded: isReleased?.() ?? false });
      deps.metrics.booked(whole);
      logEnd(deps.logger, trace, whole, metering?.reading.error ?? "");
    };
    if (sample === undefined) enter(record);
    else whenDone(deps.estimate(sample).then((counts) => enter(withEstimate(record, counts))));
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
      if (trace.hold === undefined || trace.hold.isReleased()) trace.place?.undo();
      else trace.place?.leave();
      const metering = trace.meter?.end();
      const endedMs = deps.clock.monotonic();
      if (metering instanceof Promise) whenDone(metering.then((read) => tell(trace, read, endedMs)));
      else tell(trace, metering, endedMs);
    },
    async settled() {
      while (pending.size > 0) await Promise.all(pending);
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

function logEnd(logger: Logger, trace: Trace, record: UsageRecord, providerCode: string): void {
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
    ...(providerCode !== "" && { provider_error_code: providerCode }),
    ...(record.model !== "" && { model: record.model }),
    ...(record.answeredModel !== "" && { answered_model: record.answeredModel }),
    ...(record.usage !== null && usageFields(record.usage)),
    ...(record.costNanoUsd !== null && { cost_usd: formatUsd(record.costNanoUsd) }),
  };
  if (record.status >= 500) logger.error("request completed with server error", fields);
  else logger.info("request completed", fields);
}

/** Those that are not 0, by the names of the API. */
function usageFields(usage: Usage) {
  const { inputTokens, outputTokens, source, ...parts } = usage;
  const counts = Object.entries({
    cached_input_tokens: parts.cachedInputTokens,
    cache_write_tokens: parts.cacheWriteTokens + parts.cacheWriteHourTokens,
    audio_input_tokens: parts.audioInputTokens,
    reasoning_tokens: parts.reasoningTokens,
    audio_output_tokens: parts.audioOutputTokens,
    images: parts.images,
    audio_seconds: parts.audioMs / 1000,
    characters: parts.characters,
    web_searches: parts.webSearches,
  }).filter(([, count]) => count > 0);
  return {
    input_tokens: inputTokens,
    output_tokens: outputTokens,
    ...Object.fromEntries(counts),
    ...(source === "estimated" && { estimated: true }),
  };
}

function tokensOf(usage: Usage | null): number {
  return usage === null ? 0 : usage.inputTokens + usage.outputTokens;
}

function toRecord(trace: Trace, nowMs: number): Omit<Unpriced, keyof Judged | keyof Metered> {
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
    isStream: trace.isStream ?? false,
    durationMs: nowMs - arrival.startedMs,
    ttfbMs: reply?.ttfbMs ?? null,
    requestBytes: body?.kind === "held" ? body.bytes.byteLength : Number.isSafeInteger(length) ? length : 0,
    responseBytes: end?.bytes ?? 0,
  };
}
