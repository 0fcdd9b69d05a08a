import type { Logger } from "../logging/logger.ts";
import type { Arrival } from "./call.ts";
import type { Refusal } from "./refuse.ts";

/** Words a fault that no step has named: the client's own going away, a store that is away, or a fault of ours. */
export function createUnexpected(deps: {
  readonly logger: Logger;
  readonly isStorageFault: (fault: unknown) => boolean;
}) {
  return (fault: unknown, arrival: Arrival): Refusal => {
    if (arrival.request.signal.aborted) return { code: "client_cancelled" };
    const fields = { request_id: arrival.requestId, error: fault };
    if (deps.isStorageFault(fault)) {
      deps.logger.error("the database cannot be used", fields);
      return { code: "service_unavailable" };
    }
    deps.logger.error("a request failed unexpectedly", fields);
    return { code: "internal_error" };
  };
}
