import type { LimitHit } from "../limit/limits.ts";
import type { Dialect } from "../provider/dialect.ts";
import type { Arrival } from "./call.ts";

/** Every refusal of the data plane. A code once published never changes. */
export type Refusal =
  | { readonly code: "invalid_token" }
  | { readonly code: "token_not_found" }
  | { readonly code: "token_inactive" }
  | { readonly code: "token_expired" }
  | { readonly code: "ambiguous_credentials" }
  | { readonly code: "project_inactive" }
  | { readonly code: "provider_not_found"; readonly provider: string }
  | { readonly code: "method_not_allowed"; readonly method: string; readonly allowed: readonly string[] }
  | { readonly code: "endpoint_not_found" }
  | { readonly code: "invalid_path" }
  | { readonly code: "origin_not_allowed" }
  | { readonly code: "origin_required" }
  | { readonly code: "header_required"; readonly header: string }
  | {
      readonly code: "param_not_allowed";
      readonly name: string;
      readonly value: string;
      readonly allowed: readonly string[];
    }
  | { readonly code: "invalid_request_body"; readonly detail: string }
  | { readonly code: "unsupported_encoding" }
  | { readonly code: "upgrade_refused"; readonly detail: string }
  | { readonly code: "streaming_disabled" }
  | { readonly code: "request_timeout" }
  | { readonly code: "request_too_large"; readonly bytesMax: number }
  | { readonly code: "project_expired" }
  | { readonly code: "rate_limit_exceeded"; readonly hit: LimitHit }
  | { readonly code: "tokens_per_minute_exceeded"; readonly hit: LimitHit }
  | { readonly code: "concurrency_limit_exceeded"; readonly hit: LimitHit }
  | { readonly code: "budget_exceeded"; readonly hit: LimitHit; readonly why: string }
  | { readonly code: "model_not_allowed"; readonly hit: LimitHit; readonly model: string }
  | { readonly code: "overloaded" }
  | { readonly code: "upstream_auth_error" }
  | { readonly code: "circuit_open"; readonly retryAfterMs: number }
  | { readonly code: "bad_gateway" }
  | { readonly code: "timeout" }
  | { readonly code: "egress_blocked" }
  | { readonly code: "client_cancelled" }
  | { readonly code: "service_unavailable" }
  | { readonly code: "internal_error" };

export type RefusalCode = Refusal["code"];

interface Wording {
  readonly status: number;
  readonly message: string;
  /** What to do. */
  readonly description: string;
  /** Whether the same request may do better later; SDKs retry 429 and 5xx by themselves unless told not to. */
  readonly isRetryable?: true;
}

/** Status and words of each code; docs/errors.md is generated from here. */
export const wordings: Readonly<Record<RefusalCode, Wording>> = {
  invalid_token: {
    status: 401,
    message: "Missing or malformed token",
    description:
      "Send a token of the form sk-wt-… as Authorization: Bearer, x-api-key, api-key or x-goog-api-key",
  },
  token_not_found: {
    status: 401,
    message: "Unknown token",
    description: "Check that the token was issued by this server",
  },
  token_inactive: {
    status: 401,
    message: "The token has been revoked",
    description: "Ask for a new token",
  },
  token_expired: { status: 401, message: "The token has expired", description: "Ask for a new token" },
  ambiguous_credentials: {
    status: 400,
    message: "The request carries different credentials",
    description: "Send the token in one place only",
  },
  project_expired: {
    status: 403,
    message: "The time of the project is over",
    description: "Ask an administrator to give it more",
  },
  project_inactive: {
    status: 403,
    message: "The project is inactive",
    description: "Ask an administrator to activate it",
  },
  provider_not_found: {
    status: 404,
    message: "The provider is not configured",
    description: "Ask an administrator to add it to the provider file",
  },
  method_not_allowed: {
    status: 405,
    message: "The method is not allowed",
    description: "See the Allow header for those that are",
  },
  endpoint_not_found: {
    status: 404,
    message: "The endpoint is not allowed for this provider",
    description: "Ask an administrator to add the path to allowed_endpoints",
  },
  invalid_path: {
    status: 400,
    message: "The path can be read in more than one way",
    description: "Leave out encoded dots, backslashes and control characters",
  },
  origin_not_allowed: {
    status: 403,
    message: "The origin is not allowed",
    description: "Ask an administrator to add it to allowed_origins",
  },
  origin_required: { status: 400, message: "The Origin header is required", description: "Send it" },
  header_required: { status: 400, message: "A required header is missing", description: "Send it" },
  param_not_allowed: {
    status: 400,
    message: "A parameter has a value that is not allowed",
    description: "Use one of the allowed values",
  },
  invalid_request_body: {
    status: 400,
    message: "The request body cannot be checked",
    description: "Send valid JSON, or a form, in which each checked parameter stands once",
  },
  unsupported_encoding: {
    status: 415,
    message: "A compressed request body cannot be checked",
    description: "Send it without Content-Encoding",
  },
  upgrade_refused: {
    status: 400,
    message: "A WebSocket cannot be opened",
    description: "Use a WebSocket client, and a provider whose parameters are not checked",
  },
  streaming_disabled: {
    status: 400,
    message: "Streaming is switched off on this server",
    description: "Send the request without streaming",
  },
  request_timeout: {
    status: 408,
    message: "The request body did not come",
    description: "Send it without a pause of more than CLIENT_BODY_TIMEOUT",
    isRetryable: true,
  },
  request_too_large: {
    status: 413,
    message: "The request body is larger than what may be held to check it",
    description: "Send less, or ask an administrator to raise MAX_REQUEST_SIZE",
  },
  rate_limit_exceeded: {
    status: 429,
    message: "The requests that a limit allows are used up",
    description: "token request quota exhausted",
  },
  tokens_per_minute_exceeded: {
    status: 429,
    message: "The tokens that a limit allows in a minute are used up",
    description: "Try again after as many seconds as Retry-After says",
  },
  concurrency_limit_exceeded: {
    status: 429,
    message: "As many requests are under way as a limit allows",
    description: "Try again when one of them has ended",
  },
  budget_exceeded: {
    status: 429,
    message: "The budget does not allow it",
    description:
      "Ask for less at once, such as by a smaller max_tokens, or ask an administrator to raise the budget",
  },
  model_not_allowed: {
    status: 403,
    message: "The model is not allowed",
    description: "Use one of allowed_models, and name it where the route takes one",
  },
  overloaded: {
    status: 503,
    message: "Too many requests are under way",
    description: "Try again in a moment",
    isRetryable: true,
  },
  upstream_auth_error: {
    status: 503,
    message: "The project has no usable key for this provider",
    description: "Ask an administrator to set the provider key anew",
  },
  circuit_open: {
    status: 503,
    message: "The provider keeps failing and is left alone for a while",
    description: "Try again after as many seconds as Retry-After says",
    isRetryable: true,
  },
  bad_gateway: {
    status: 502,
    message: "Proxy error",
    description: "The provider could not be reached or broke the connection",
    isRetryable: true,
  },
  timeout: {
    status: 504,
    message: "The provider did not answer in time",
    description: "Try again, or ask an administrator about the provider's timeouts",
    isRetryable: true,
  },
  egress_blocked: {
    status: 502,
    message: "The provider's name leads to an address where it may not be",
    description: "Ask an administrator: the log says what it leads to and what to set",
  },
  client_cancelled: { status: 499, message: "The client has gone", description: "" },
  service_unavailable: {
    status: 503,
    message: "The request cannot be checked right now",
    description: "Try again in a moment",
    isRetryable: true,
  },
  internal_error: {
    status: 500,
    message: "Something went wrong in the proxy",
    description: "Tell an administrator the request id",
  },
};

/** What this refusal has to say beyond its general words. */
function detailOf(refusal: Refusal): string {
  switch (refusal.code) {
    case "provider_not_found":
      return `: ${refusal.provider}`;
    case "method_not_allowed":
      return `: ${refusal.method}`;
    case "header_required":
      return `: ${refusal.header}`;
    case "param_not_allowed":
      return `: ${refusal.name} is ${JSON.stringify(refusal.value)}, allowed are ${refusal.allowed.join(", ")}`;
    case "invalid_request_body":
    case "upgrade_refused":
      return `: ${refusal.detail}`;
    case "rate_limit_exceeded":
    case "tokens_per_minute_exceeded":
    case "concurrency_limit_exceeded":
      return ` (${limitOf(refusal.hit)})`;
    case "budget_exceeded":
      return `: ${refusal.why} (${limitOf(refusal.hit)})`;
    case "model_not_allowed":
      return `: ${JSON.stringify(refusal.model.slice(0, 100))} (${limitOf(refusal.hit)})`;
    case "request_too_large":
      return ` (${refusal.bytesMax} bytes)`;
    default:
      return "";
  }
}

/** As `x-llm-proxy-limit` says it: `token:rpm`. */
function limitOf({ scope, limit }: LimitHit): string {
  return `${scope}:${limit}`;
}

/** The HTTP answer to a refusal, in the shape that the caller's SDK understands (product.md, Errors). */
export function refusalResponse(refusal: Refusal, arrival: Arrival, dialect: Dialect): Response {
  const { status, message, description, isRetryable } = wordings[refusal.code];
  const hit = "hit" in refusal ? refusal.hit : undefined;
  const retryAfterMs = refusal.code === "circuit_open" ? refusal.retryAfterMs : hit?.retryAfterMs;
  const facts = {
    status,
    code: refusal.code,
    message: message + detailOf(refusal),
    description,
    requestId: arrival.requestId,
  };
  const headers = new Headers({
    "content-type": "application/json",
    "x-proxy": "llm-proxy",
    "x-llm-proxy-error": refusal.code,
    "x-llm-proxy-request-id": arrival.requestId,
    "x-request-id": arrival.requestId,
    "x-correlation-id": arrival.correlationId,
    // Both official SDKs retry by status unless this header tells them.
    "x-should-retry": isRetryable || retryAfterMs !== undefined ? "true" : "false",
  });
  headers.set(dialect.requestIdHeader, arrival.requestId);
  if (status === 401) headers.set("www-authenticate", "Bearer"); // RFC 9110, 15.5.2
  if (refusal.code === "method_not_allowed") headers.set("allow", refusal.allowed.join(", "));
  if (refusal.code === "request_timeout") headers.set("connection", "close"); // RFC 9110, 15.5.9
  if (refusal.code === "overloaded") headers.set("retry-after", "1");
  if (retryAfterMs !== undefined)
    headers.set("retry-after", String(Math.max(1, Math.ceil(retryAfterMs / 1000))));
  if (hit !== undefined) headers.set("x-llm-proxy-limit", limitOf(hit));
  return new Response(JSON.stringify(dialect.errorBody(facts)), { status, headers });
}
