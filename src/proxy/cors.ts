import type { Provider } from "../provider/provider.ts";
import type { Arrival } from "./call.ts";

/** Process-wide defaults for providers that name no origins. */
export interface CorsSettings {
  /** `*` among them: any origin. */
  readonly allowedOrigins: readonly string[];
  /** Empty: the provider's methods. */
  readonly allowedMethods: readonly string[];
  /** Empty: those that the browser asks for. */
  readonly allowedHeaders: readonly string[];
  readonly maxAgeS: number;
}

const exposed = "X-Request-ID, X-LLM-Proxy-Request-ID, X-Correlation-ID, X-Proxy-Cache, Cache-Status";

/** Cross-origin rules of the data plane (contract 2.5; Fetch standard, 3.3). Origins are compared whole. */
export function createCors(settings: CorsSettings) {
  const mayOrigin = (provider: Provider, origin: string): boolean => {
    const allowed = provider.allowedOrigins.length > 0 ? provider.allowedOrigins : settings.allowedOrigins;
    return allowed.includes("*") || allowed.includes(origin);
  };

  return {
    mayOrigin,

    /** The answer to `OPTIONS`, which carries no token: nothing is told of any project, and no provider is called. */
    preflight(arrival: Arrival, provider: Provider): Response {
      const origin = arrival.request.headers.get("origin");
      const headers = new Headers({
        "x-llm-proxy-request-id": arrival.requestId,
        "x-request-id": arrival.requestId,
        "x-correlation-id": arrival.correlationId,
        "x-proxy": "llm-proxy",
        vary: "Origin",
      });
      if (origin !== null && mayOrigin(provider, origin)) {
        const methods =
          settings.allowedMethods.length > 0 ? settings.allowedMethods : provider.allowedMethods;
        const asked = arrival.request.headers.get("access-control-request-headers");
        const names = settings.allowedHeaders.length > 0 ? settings.allowedHeaders.join(", ") : asked;
        headers.set("access-control-allow-origin", origin);
        headers.set("access-control-allow-methods", [...new Set([...methods, "OPTIONS"])].join(", "));
        headers.set("access-control-allow-headers", names ?? "Authorization, Content-Type, X-Requested-With");
        headers.set("access-control-max-age", String(settings.maxAgeS));
      }
      return new Response(null, { status: 204, headers });
    },

    /** Lets the page read an answer, a refusal too, where its origin may call the provider. */
    expose(headers: Headers, { request }: Arrival, provider: Provider): void {
      const origin = request.headers.get("origin");
      if (origin === null || !mayOrigin(provider, origin)) return;
      headers.set("access-control-allow-origin", origin);
      headers.set("access-control-expose-headers", exposed);
      headers.append("vary", "Origin");
    },
  };
}

export type Cors = ReturnType<typeof createCors>;
