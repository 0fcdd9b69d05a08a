import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Clock } from "../clock.ts";
import { collectRuntime } from "./runtime.ts";

/** How one request of the data plane ended. */
export interface RequestEnd {
  /** A configured provider's name; empty where none was chosen. */
  readonly provider: string;
  readonly method: string;
  readonly status: number;
  /** One of the few words of `usage/record.ts`. */
  readonly outcome: string;
  /** Our refusal code, one of a closed list; empty if none. */
  readonly errorCode: string;
  readonly durationMs: number;
  /** null where no byte came from the provider. */
  readonly ttfbMs: number | null;
  /** `streamStarted` was called for it. */
  readonly isStream: boolean;
}

/** What one request used and costs. */
export interface Booked {
  readonly provider: string;
  readonly usage: {
    readonly inputTokens: number;
    readonly cachedInputTokens: number;
    readonly outputTokens: number;
    readonly reasoningTokens: number;
    readonly source: string;
  } | null;
  /** null: not known, or no price. */
  readonly costNanoUsd: bigint | null;
}

/** Body of `GET /metrics` (contract.md section 10). */
interface MetricsJson {
  readonly uptime_seconds: number;
  readonly request_count: number;
  readonly error_count: number;
  readonly cache_hits: number;
  readonly cache_misses: number;
  readonly cache_bypass: number;
  readonly cache_stores: number;
}

/** Counts what happens. Every label has a bound, whatever callers send. */
export interface Metrics {
  requestStarted(): void;
  /** The answer to a request turned out to be a stream. */
  streamStarted(): void;
  requestEnded(end: RequestEnd): void;
  /** A request was let through that the ledger could not be told of. */
  unrecorded(): void;
  /** A request was written into the books. */
  booked(booked: Booked): void;
  /** A request of a reserved route was answered: it counts in the totals. */
  managementEnded(status: number): void;
  /** A call to a provider is made once more. */
  upstreamRetried(provider: string): void;
  /** Another provider answered in the place of the one that was asked for. */
  fellBack(provider: string, fallback: string): void;
  /** The circuit of the provider's host opened or closed. */
  circuitChanged(provider: string, isOpen: boolean): void;
  /** A provider key is left alone for a while because of this status. */
  keySetAside(provider: string, status: number): void;
  usageFlushFailed(): void;
  usageDropped(records: number): void;
  auditFailed(sink: string, entries: number): void;
  /** An error that nobody caught; the process went on. */
  unhandled(): void;
  json(): MetricsJson;
  /** Text exposition format 0.0.4. */
  prometheus(): Promise<string>;
  readonly contentType: string;
}

interface MetricsDeps {
  readonly version: string;
  readonly clock: Clock;
  /** See `Logger.dropped`. */
  readonly logLinesDropped: () => number;
}

/** Label sets kept per metric; what comes on top is counted under `other`. */
const labelSetsMax = 2_000;

const methods = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

/** From a cached answer to the longest reasoning. */
const bucketsSeconds = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1_200];

/** Counts and measures the requests and what is done for them. */
export function createMetrics({ version, clock, logLinesDropped }: MetricsDeps): Metrics {
  const registry = new Registry();
  const startedMs = clock.monotonic();
  const uptimeSeconds = () => (clock.monotonic() - startedMs) / 1_000;
  const total = { requests: 0, errors: 0, inFlight: 0, activeStreams: 0 };

  declareReadings(registry, { version, uptimeSeconds, logLinesDropped, total });
  const told = declareCounters(registry);
  const httpRequestsOf = remember((...labels) => told.httpRequests.labels(...labels));
  const outcomesOf = remember((outcome) => told.outcomes.labels(outcome));
  const refusalsOf = remember((code) => told.refusals.labels(code));
  const durationOf = remember((provider) => told.duration.labels(provider));
  const ttfbOf = remember((provider) => told.ttfb.labels(provider));

  function count(status: number): void {
    total.requests += 1;
    if (status >= 400) total.errors += 1;
  }

  return {
    requestStarted: () => {
      total.inFlight += 1;
    },
    streamStarted: () => {
      total.activeStreams += 1;
    },
    requestEnded(end) {
      count(end.status);
      total.inFlight -= 1;
      if (end.isStream) total.activeStreams -= 1;
      const provider = end.provider || "none";
      const method = methods.has(end.method) ? end.method : "OTHER";
      httpRequestsOf(provider, method, String(end.status)).inc();
      outcomesOf(end.outcome).inc();
      if (end.errorCode !== "") refusalsOf(end.errorCode).inc();
      durationOf(provider).observe(end.durationMs / 1_000);
      if (end.ttfbMs !== null) ttfbOf(provider).observe(end.ttfbMs / 1_000);
    },
    booked({ provider, usage, costNanoUsd }) {
      if (usage === null) return;
      const kinds = {
        input: usage.inputTokens,
        cached_input: usage.cachedInputTokens,
        output: usage.outputTokens,
        reasoning: usage.reasoningTokens,
      };
      for (const [kind, tokens] of Object.entries(kinds))
        if (tokens > 0) told.tokens.inc({ provider, kind }, tokens);
      if (usage.source === "estimated") told.estimated.inc({ provider });
      if (costNanoUsd === null) told.unpriced.inc({ provider });
      else told.cost.inc({ provider }, Number(costNanoUsd) / 1e9);
    },
    unrecorded: () => told.unrecorded.inc(),
    managementEnded: count,
    upstreamRetried: (provider) => told.retries.inc({ provider }),
    fellBack: (provider, fallback) => told.fallbacks.inc({ provider, fallback }),
    circuitChanged: (provider, isOpen) => told.circuitOpen.set({ provider }, isOpen ? 1 : 0),
    keySetAside: (provider, status) => told.keysSetAside.inc({ provider, status }),
    usageFlushFailed: () => told.usageFlushFailures.inc(),
    usageDropped: (records) => told.usageDropped.inc(records),
    auditFailed: (sink, entries) => told.auditFailures.inc({ sink }, entries),
    unhandled: () => told.unhandled.inc(),
    json: () => ({
      uptime_seconds: uptimeSeconds(),
      request_count: total.requests,
      error_count: total.errors,
      // nothing is cached yet; the names are part of the contract
      cache_hits: 0,
      cache_misses: 0,
      cache_bypass: 0,
      cache_stores: 0,
    }),
    prometheus: () => registry.metrics(),
    contentType: registry.contentType,
  };
}

interface Readings extends Pick<MetricsDeps, "version" | "logLinesDropped"> {
  readonly uptimeSeconds: () => number;
  readonly total: { requests: number; errors: number; inFlight: number; activeStreams: number };
}

/** What is read when it is asked for, so that counting it costs an addition. The totals stay without labels. */
function declareReadings(registry: Registry, { version, uptimeSeconds, logLinesDropped, total }: Readings) {
  const registers = [registry];
  const counter = (name: string, help: string, read: () => number) =>
    new Counter({
      name: `llm_proxy_${name}`,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name: `llm_proxy_${name}`,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });

  gauge("uptime_seconds", "Seconds since the start.", uptimeSeconds);
  counter("requests_total", "Answers to all requests.", () => total.requests);
  counter("errors_total", "Answers with a status of 400 or more.", () => total.errors);
  gauge("requests_in_flight", "Data-plane requests that have not ended.", () => total.inFlight);
  gauge("active_streams", "Streamed answers that have not ended.", () => total.activeStreams);
  counter("log_lines_dropped_total", "Log lines lost because nobody took them.", logLinesDropped);
  for (const what of ["hits", "misses", "bypass", "stores"]) // nothing is cached yet; dashboards ask for the names
    counter(`cache_${what}_total`, `Cache ${what}; 0, as nothing is cached yet.`, () => 0);
  collectRuntime(gauge);
  const labelNames = ["version"];
  const help = "1, labelled with the version.";
  new Gauge({ name: "llm_proxy_build_info", help, labelNames, registers }).set({ version }, 1);
}

/** What is counted as it happens. */
function declareCounters(registry: Registry) {
  const registers = [registry];
  const counter = (name: string, help: string, labelNames: string[] = []) =>
    new Counter({ name: `llm_proxy_${name}`, help, labelNames, registers });
  const seconds = (name: string, help: string) =>
    new Histogram({
      name: `llm_proxy_${name}_seconds`,
      help,
      labelNames: ["provider"],
      buckets: bucketsSeconds,
      registers,
    });
  return {
    httpRequests: counter("http_requests_total", "Data-plane requests.", ["provider", "method", "status"]),
    outcomes: counter("request_outcomes_total", "Data-plane requests by how they ended.", ["outcome"]),
    refusals: counter("refusals_total", "Data-plane requests refused by the proxy.", ["code"]),
    duration: seconds("request_duration", "From the request's arrival to the end of its answer."),
    ttfb: seconds("upstream_ttfb", "From the request's arrival to the provider's first byte."),
    unrecorded: counter(
      "unrecorded_requests_total",
      "Requests let through while the ledger could not be written.",
    ),
    tokens: counter("tokens_total", "Tokens; cached_input is part of input, reasoning of output.", [
      "provider",
      "kind",
    ]),
    estimated: counter("estimated_requests_total", "Requests whose usage nobody reported.", ["provider"]),
    unpriced: counter("unpriced_requests_total", "Requests with usage whose model has no price.", [
      "provider",
    ]),
    cost: counter("cost_usd_total", "Dollars spent, as the ledger has them.", ["provider"]),
    retries: counter("upstream_retries_total", "Calls to a provider that were made once more.", ["provider"]),
    fallbacks: counter(
      "upstream_fallbacks_total",
      "Answers that a fallback gave in the place of the provider that was asked for.",
      ["provider", "fallback"],
    ),
    circuitOpen: new Gauge({
      name: "llm_proxy_circuit_open",
      help: "1 while the circuit of the provider's host is open.",
      labelNames: ["provider"],
      registers,
    }),
    keysSetAside: counter(
      "provider_keys_set_aside_total",
      "Times a provider key was left alone for a while, by the status that was the cause.",
      ["provider", "status"],
    ),
    usageFlushFailures: counter(
      "usage_flush_failures_total",
      "Writes of usage records that failed and are tried again.",
    ),
    usageDropped: counter(
      "usage_dropped_total",
      "Usage records lost because the database was away too long.",
    ),
    auditFailures: counter("audit_failures_total", "Audit entries that a sink could not keep.", ["sink"]),
    unhandled: counter(
      "unhandled_errors_total",
      "Errors that nobody caught; each is a fault to be reported.",
    ),
  };
}

/** Finds the child of a label set without building it again; past the bound all new sets share the child `other`. */
function remember<Child>(make: (...labels: string[]) => Child): (...labels: string[]) => Child {
  const known = new Map<string, Child>();
  return (...labels) => {
    const name = labels.join("\n");
    const child = known.get(name);
    if (child !== undefined) return child;
    const isFull = known.size >= labelSetsMax;
    const made = make(...(isFull ? labels.map(() => "other") : labels));
    if (!isFull) known.set(name, made);
    return made;
  };
}
