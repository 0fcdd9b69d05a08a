import type { ClientIp } from "../client-ip.ts";
import type { Clock } from "../clock.ts";
import type { Arrival, Inbound } from "./call.ts";

interface ArriveDeps {
  readonly clock: Clock;
  readonly newId: () => string;
  readonly clientIp: ClientIp;
}

/** Step 0: what is known of any request, so that even the worst one can be answered and found again. */
export function createArrive(deps: ArriveDeps) {
  return (request: Request, inbound: Inbound): Arrival => ({
    ...inbound,
    request,
    requestId: readId(request.headers.get("x-request-id")) ?? deps.newId(),
    correlationId: readId(request.headers.get("x-correlation-id")) ?? deps.newId(),
    ...deps.clientIp(inbound.address, request.headers),
    atMs: deps.clock.now(),
    startedMs: deps.clock.monotonic(),
  });
}

/** SEC-107: an id of the caller's is taken over only where it cannot forge a log line or grow one. */
function readId(text: string | null): string | undefined {
  return text !== null && /^[A-Za-z0-9._:-]{1,128}$/.test(text) ? text : undefined;
}
