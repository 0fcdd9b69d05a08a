import { type Dialect, type ErrorFacts, wholeMessage } from "./dialect.ts";

/** Error types as the API uses them (platform.openai.com, error codes guide, 2026-10). */
function typeOf(status: number): string {
  if (status === 401) return "authentication_error";
  if (status === 403) return "permission_error";
  if (status === 429) return "rate_limit_error";
  return status >= 500 ? "server_error" : "invalid_request_error";
}

/** OpenAI and the many that copy it. */
export const openai: Dialect = {
  name: "openai",
  requestIdHeader: "x-request-id",
  errorBody: (facts) => ({
    error: { message: wholeMessage(facts), type: typeOf(facts.status), param: null, code: facts.code },
  }),
  errorEvent: (facts, path) => (isResponsesPath(path) ? responsesEvent(facts) : chatEvent(facts)),
};

/** Chat and completions streams have no event names; their SDKs raise on a chunk with `error` in it. */
function chatEvent(facts: ErrorFacts): string {
  return `data: ${JSON.stringify(openai.errorBody(facts))}\n\n`;
}

/** The Responses API has an `error` event of its own shape. */
function responsesEvent(facts: ErrorFacts): string {
  const data = { type: "error", code: facts.code, message: wholeMessage(facts), param: null };
  return `event: error\ndata: ${JSON.stringify(data)}\n\n`;
}

function isResponsesPath(path: string): boolean {
  return /\/responses(\/|$)/.test(path);
}
