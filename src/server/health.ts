import { Elysia } from "elysia";
import { problemResponse } from "../api/problem.ts";
import type { Clock } from "../clock.ts";
import { isSameSecret } from "../crypto/constant-time.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { Secret } from "../secret.ts";

export interface HealthDeps {
  readonly version: string;
  readonly clock: Clock;
  /** Whether the database answers. */
  readonly isReady: () => Promise<boolean>;
  readonly metrics: Pick<Metrics, "json" | "prometheus" | "contentType">;
  readonly metricsPath: string;
  readonly isMetricsEnabled: boolean;
  /** Asked for by both metrics routes where it is set. */
  readonly metricsToken: Secret | undefined;
  /** Whether the shutdown has begun. */
  readonly isDraining: () => boolean;
}

/** `/health`, `/live`, `/ready` and the metrics (contract.md section 10). They name no project, token or address. */
export function healthRoutes(deps: HealthDeps) {
  const { metrics, metricsToken, metricsPath } = deps;
  const hidden = { detail: { hide: true } };
  const text = (body: string, status = 200) =>
    new Response(body, { status, headers: { "content-type": "text/plain; charset=utf-8" } });

  const prometheus = async () =>
    new Response(await metrics.prometheus(), { headers: { "content-type": metrics.contentType } });
  const mayRead = (request: Request): boolean => {
    if (metricsToken === undefined) return true;
    const given = /^bearer +(\S+) *$/i.exec(request.headers.get("authorization") ?? "")?.[1];
    return given !== undefined && isSameSecret(given, metricsToken);
  };
  const refusal = () =>
    problemResponse({
      code: "unauthorized",
      error: "missing or invalid metrics token",
      description: "Send Authorization: Bearer with METRICS_TOKEN",
      headers: { "www-authenticate": "Bearer" },
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
      async () => (!deps.isDraining() && (await deps.isReady()) ? text("ready") : text("not ready", 503)),
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

/** As Prometheus asks when it scrapes. */
function wantsText(accept: string | null): boolean {
  return accept !== null && /text\/plain|application\/openmetrics-text/i.test(accept);
}
