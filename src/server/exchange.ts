import type { Caller } from "../audit/entry.ts";
import type { Clock } from "../clock.ts";
import type { Logger } from "../logging/logger.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { isUnder } from "./path.ts";

interface ExchangeDeps {
  readonly logger: Pick<Logger, "debug" | "info" | "error">;
  readonly clock: Clock;
  readonly metrics: Pick<Metrics, "managementEnded">;
}

/** Carries one of our own requests out: logs its start and end, counts it, and sets the headers of every answer. */
export function createExchange({ logger, clock, metrics }: ExchangeDeps) {
  return async (caller: Caller, answer: () => Promise<Response>): Promise<Response> => {
    const startedMs = clock.monotonic();
    const { requestId: request_id, correlationId: correlation_id, method, path } = caller;
    const isManagement = isUnder(path, "/manage");
    // probes and scrapes come every few seconds
    const log = isManagement ? logger.info : logger.debug;
    // At "info" the line at the end says all of it; this one is for finding what never ends.
    const asked = {
      request_id,
      correlation_id,
      client_ip: caller.clientIp,
      ...(caller.peerIp !== undefined && { peer_ip: caller.peerIp }),
      method,
      path,
      user_agent: caller.userAgent,
    };
    logger.debug("request started", asked);

    const response = await answer();
    const { headers, status } = response;
    headers.set("x-proxy", "llm-proxy");
    headers.set("x-request-id", request_id);
    headers.set("x-correlation-id", correlation_id);
    headers.set("x-llm-proxy-request-id", request_id);
    headers.set("x-content-type-options", "nosniff");
    if (isManagement) headers.set("cache-control", "no-store");

    metrics.managementEnded(status);
    const duration_ms = Math.round((clock.monotonic() - startedMs) * 1_000) / 1_000;
    const end = { ...asked, status_code: status, duration_ms };
    if (status >= 500 && isManagement) logger.error("request completed with server error", end);
    else log("request completed", end);
    return response;
  };
}
