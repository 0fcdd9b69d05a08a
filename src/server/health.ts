import { Elysia } from "elysia";
import { problemResponse } from "../api/problem.ts";
import type { Clock } from "../clock.ts";
import { isSameSecret } from "../crypto/constant-time.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { CircuitState } from "../proxy/breaker.ts";
import type { Secret } from "../secret.ts";

export interface HealthDeps {
  readonly version: string;
  readonly clock: Clock;
  /** Whether the database can be written; never rejects. */
  readonly storage: () => Promise<StorageState>;
  /** The circuits of the upstream hosts that were asked for so far. */
  readonly circuits: () => readonly CircuitState[];
  readonly metrics: Pick<Metrics, "json" | "prometheus" | "contentType">;
  readonly metricsPath: string;
  readonly isMetricsEnabled: boolean;
  /** Asked for by both metrics routes where it is set; with it `/ready` tells more. */
  readonly metricsToken: Secret | undefined;
  /** Whether the shutdown has begun. */
  readonly isDraining: () => boolean;
  /** Whether a request carries the management token. */
  readonly isManager: (request: Request) => boolean;
}

/** Each "ok", or a stable code of what is wrong. */
export interface StorageState {
  readonly database: string;
  readonly disk: string;
  readonly freeBytes: number;
}

/**
 * `/health`, `/live`, `/ready` and the metrics (contract.md section 10). They name no project, token or address; why the
 * server is not ready, and the upstream hosts, are told to those only who have a token for it (SEC-106).
 */
export function healthRoutes(deps: HealthDeps) {
  const { metrics, metricsToken, metricsPath } = deps;
  const hidden = { detail: { hide: true } };
  const text = (body: string, status = 200) =>
    new Response(body, { status, headers: { "content-type": "text/plain; charset=utf-8" } });

  const prometheus = async () =>
    new Response(await metrics.prometheus(), { headers: { "content-type": metrics.contentType } });
  const hasMetricsToken = (request: Request): boolean => {
    const given = bearerOf(request);
    return metricsToken !== undefined && given !== undefined && isSameSecret(given, metricsToken);
  };
  const mayRead = (request: Request): boolean => metricsToken === undefined || hasMetricsToken(request);
  const mayLook = (request: Request): boolean =>
    hasMetricsToken(request) || (bearerOf(request) !== undefined && deps.isManager(request));
  const refusal = () =>
    problemResponse({
      code: "unauthorized",
      error: "missing or invalid metrics token",
      description: "Send Authorization: Bearer with METRICS_TOKEN",
      headers: { "www-authenticate": "Bearer" },
    });

  const checksOf = ({ database, disk, freeBytes }: StorageState) => ({
    database: { status: database },
    disk: { status: disk, free_bytes: freeBytes },
    circuits: deps.circuits().map(({ origin, state, failures, retryAfterMs }) => ({
      host: origin,
      state,
      failures,
      retry_after: Math.ceil(retryAfterMs / 1000),
    })),
  });

  const app = new Elysia()
    .get(
      "/health",
      () =>
        Response.json({
          status: "ok",
          timestamp: new Date(deps.clock.now()).toISOString(),
          version: deps.version,
        }),
      hidden,
    )
    .get("/live", () => text("alive"), hidden)
    .get(
      "/ready",
      async ({ request }) => {
        const storage = await deps.storage();
        const isReady = !deps.isDraining() && storage.database === "ok" && storage.disk === "ok";
        const status = isReady ? 200 : 503;
        if (!mayLook(request)) return text(isReady ? "ready" : "not ready", status);
        return Response.json(
          { ready: isReady, draining: deps.isDraining(), checks: checksOf(storage) },
          { status },
        );
      },
      hidden,
    );
  if (!deps.isMetricsEnabled) return app;
  return app
    .get(
      metricsPath,
      ({ request }) => {
        if (!mayRead(request)) return refusal();
        return wantsText(request.headers.get("accept")) ? prometheus() : Response.json(metrics.json());
      },
      hidden,
    )
    .get(`${metricsPath}/prometheus`, ({ request }) => (mayRead(request) ? prometheus() : refusal()), hidden);
}

function bearerOf(request: Request): string | undefined {
  return /^bearer +(\S+) *$/i.exec(request.headers.get("authorization") ?? "")?.[1];
}

/** As Prometheus asks when it scrapes. */
function wantsText(accept: string | null): boolean {
  return accept !== null && /text\/plain|application\/openmetrics-text/i.test(accept);
}
