import { type Dialect, wholeMessage } from "./dialect.ts";

/** Error types of the Messages API (docs.anthropic.com, errors page, 2026-10). */
function typeOf(status: number): string {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 413:
      return "request_too_large";
    case 429:
      return "rate_limit_error";
    case 504:
      return "timeout_error";
    default:
      return status >= 500 ? "api_error" : "invalid_request_error";
  }
}

/** Anthropic's Messages API. */
export const anthropic: Dialect = {
  name: "anthropic",
  requestIdHeader: "request-id",
  errorBody: (facts) => ({
    type: "error",
    error: { type: typeOf(facts.status), message: wholeMessage(facts), code: facts.code },
    request_id: facts.requestId,
  }),
  errorEvent: (facts) => `event: error\ndata: ${JSON.stringify(anthropic.errorBody(facts))}\n\n`,
};
